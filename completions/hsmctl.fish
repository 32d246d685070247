# SPDX-License-Identifier: Apache-2.0
# fish completion for hsmctl: hsmctl completion fish | source
function __hsmctl_complete
	set -l words (commandline -opc)
	set -l current (commandline -ct)
	$words[1] __complete $words[2..-1] "$current" 2>/dev/null
	if test $status -eq 3
		__fish_complete_path "$current"
	end
end
complete -c hsmctl -f -a '(__hsmctl_complete)'
