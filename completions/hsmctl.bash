# SPDX-License-Identifier: Apache-2.0
# bash completion for hsmctl: source <(hsmctl completion bash)
_hsmctl()
{
	local word
	COMPREPLY=()
	while IFS= read -r word; do
		COMPREPLY+=("$(printf '%q' "$word")")
	done < <("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _hsmctl hsmctl
