# The names in the Host lines of the file $1, or of ssh itself.  This goes into
# each of the completions, between single quotes.
look() {
	for file; do
		[ -f "$file" ] && [ -r "$file" ] || continue
		while read -r key value; do
			value=${value#=}
			case $key in
			[Hh][Oo][Ss][Tt])
				set -f
				for name in $value; do
					case $name in
					*[*?!]*) ;;
					*) printf "%s
" "$name" ;;
					esac
				done
				set +f ;;
			[Ii][Nn][Cc][Ll][Uu][Dd][Ee])
				[ ${#depth} -gt 8 ] || (
				depth=$depth.
				case $value in
				"~/"*) value=$HOME${value#"~"} ;;
				esac
				look $value) ;;
			esac
		done <"$file"
	done
}
case ${1:-} in
none) ;;
"")	cd ~/.ssh 2>/dev/null && look config
	cd /etc/ssh 2>/dev/null && look ssh_config ;;
"~/"*)	cd ~/.ssh 2>/dev/null; look "$HOME${1#"~"}" ;;
/*)	cd ~/.ssh 2>/dev/null; look "$1" ;;
*)	here=$PWD; cd ~/.ssh 2>/dev/null; look "$here/$1" ;;
esac
