# SPDX-License-Identifier: Apache-2.0
# bash completion for hsmctl: source <(hsmctl completion bash)
_hsmctl()
{
	local found word
	COMPREPLY=()
	found=$("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	if [ $? -eq 3 ]; then
		compopt -o default 2>/dev/null
	fi
	while IFS= read -r word; do
		[ -z "$word" ] || COMPREPLY+=("$(printf '%q' "$word")")
	done <<<"$found"
}
complete -F _hsmctl hsmctl
