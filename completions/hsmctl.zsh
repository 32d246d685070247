#compdef hsmctl
# SPDX-License-Identifier: Apache-2.0
# zsh completion for hsmctl: source <(hsmctl completion zsh), or as _hsmctl in a folder of fpath
_hsmctl()
{
	local found
	found=$("${(Q)words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)
	if [ $? -eq 3 ]; then
		_files
	fi
	[ -z "$found" ] || compadd -- "${(@f)found}"
}
if [ "${funcstack[1]}" = _hsmctl ]; then
	_hsmctl "$@"
else
	compdef _hsmctl hsmctl
fi
