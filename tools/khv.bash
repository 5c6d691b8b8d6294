# SPDX-License-Identifier: GPL-2.0-only
# bash completion for khv(1)

_khv()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words
	local sched="--weight --cap --cap-period --cap-burst --gang --pool --priority --length"

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
	--policy)
		mapfile -t COMPREPLY < <(compgen -W "fair fcfs sjf priority" -- "$cur")
		return
		;;
	--gang)
		mapfile -t COMPREPLY < <(compgen -W "on off" -- "$cur")
		return
		;;
	--append | --mem | --cpus | --name | --interval | --count | --timeout | --weight | --cap | \
	--cap-period | --cap-burst | --pool | --priority | --length | --slots | --aging)
		return
		;;
	esac

	if [ "$COMP_CWORD" -eq 1 ]; then
		words="run ps console pause resume stop kill set sched pool doctor stat version --help"
	else
		case ${COMP_WORDS[1]} in
		run) words="--kernel --initrd --append --mem --cpus --user --accel --name --detach $sched --help" ;;
		ps) words="--json --help" ;;
		console | pause | resume | kill) words="--help" ;;
		stop) words="--timeout --json --help" ;;
		set) words="$sched --json --help" ;;
		pool) words="--policy --slots --aging --json --accel --help" ;;
		sched) words="--interval --count --json --accel --help" ;;
		doctor) words="--json --help" ;;
		stat) words="--interval --count --json --help all" ;;
		version) words="--accel --help" ;;
		*) return ;;
		esac
	fi
	# The VMs that run, for commands that want one.
	case ${COMP_WORDS[1]},$cur in
	console,[!-]* | pause,[!-]* | resume,[!-]* | kill,[!-]* | stop,[!-]* | set,[!-]* | \
	console, | pause, | resume, | kill, | stop, | set,)
		words=$(khv ps 2>/dev/null | sed -n '2,$s/ .*//p')
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _khv khv
