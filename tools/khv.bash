# SPDX-License-Identifier: GPL-2.0-only
# bash completion for khv(1)

_khv()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words

	case $prev in
	--kernel | --initrd | --accel)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames
		return
		;;
	--user)
		mapfile -t COMPREPLY < <(compgen -u -- "$cur")
		return
		;;
	--append | --mem | --cpus | --interval | --count)
		return
		;;
	esac

	if [ "$COMP_CWORD" -eq 1 ]; then
		words="run doctor stat version --help"
	else
		case ${COMP_WORDS[1]} in
		run) words="--kernel --initrd --append --mem --cpus --user --accel --help" ;;
		doctor) words="--json --help" ;;
		stat) words="--interval --count --json --help all" ;;
		version) words="--accel --help" ;;
		*) return ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _khv khv
