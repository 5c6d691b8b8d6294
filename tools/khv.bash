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
	--append | --mem | --cpus)
		return
		;;
	esac

	if [ "$COMP_CWORD" -eq 1 ]; then
		words="run doctor version --help"
	else
		case ${COMP_WORDS[1]} in
		run) words="--kernel --initrd --append --mem --cpus --accel --help" ;;
		doctor) words="--json --help" ;;
		version) words="--accel --help" ;;
		*) return ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _khv khv
