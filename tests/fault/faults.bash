# SPDX-License-Identifier: Apache-2.0
# Faults on demand, and processes that are stopped where a test wants them. After helper and fleet:
#
#	load faults
#
# Appliances that are started with HSMCTL_SOFTHSM_LIBRARY=$BUILD/tests/fake/shim.so have them.
declare -gA PID_OF TO FROM

# DEVICE FUNCTION WHAT...: what its library does from now on (tests/fake/shim.c).
fault() {
	local device=$1
	shift
	printf '%s %s\n' "$@" >"$HSMCTL_STORE/appliances/$device/faults.new"
	mv "$HSMCTL_STORE/appliances/$device/faults.new" "$HSMCTL_STORE/appliances/$device/faults"
}

well() {
	local device
	for device; do
		rm -f "$HSMCTL_STORE/appliances/$device/faults"
	done
}

# ---- processes that do what they are told, line by line ----

# NAME COMMAND...: it says "ready", and then answers each line with one.
begin() {
	local name=$1 pipes=$BATS_TEST_TMPDIR/$1 to from
	shift
	mkfifo "$pipes.to" "$pipes.from"
	(
		# It would keep the others from ending.
		for to in "${TO[@]}" "${FROM[@]}"; do
			exec {to}>&-
		done
		exec "$@"
	) <"$pipes.to" >"$pipes.from" 2>&1 3>&- &
	PID_OF[$name]=$!
	exec {to}>"$pipes.to" {from}<"$pipes.from"
	rm "$pipes.to" "$pipes.from"
	TO[$name]=$to FROM[$name]=$from
	hear "$name" ready
}

order() { # NAME WORDS...
	local name=$1
	shift
	echo "$*" >&"${TO[$name]}"
}

# NAME [WANT]: the next line of its answers, in $answer.
hear() {
	read -rt 60 answer <&"${FROM[$1]}" || answer=nothing
	[[ $answer == ${2-*} ]] || fail "$1 answered $answer, not $2"
}

# NAME WANT WORDS...
tell() {
	local name=$1 want=$2
	shift 2
	order "$name" "$@"
	hear "$name" "$want"
}

# NAME WANT WORDS...: so it answers in the end.
tell_until() {
	until_true tell "$@" 2>/dev/null || fail "$1 answered $answer, not $2"
}

end() { # NAME
	local to=${TO[$1]} from=${FROM[$1]}
	exec {to}>&- {from}<&-
	unset "TO[$1]" "FROM[$1]"
	wait "${PID_OF[$1]}"
}

# ---- processes that are stopped at a call ----

# The letter of /proc/PID/stat, nothing when there is no such process.
state_of() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	stat=${stat##*) }
	echo "${stat%% *}"
}

halted_or_over() {
	case $(state_of "$1") in T | Z | '') ;; *) return 1 ;; esac
}

# NAME: stopped, or its answer is there.
halted_or_heard() {
	halted_or_over "${PID_OF[$1]}" || read -rt 0 -u "${FROM[$1]}"
}

# DEVICE CALL COMMAND...: it runs in the background, and is stopped before it hears that DEVICE has carried out CALL
# ("C_Name@N") of its. False when it came to its end before. Its pid is $maker, what it prints is in the file "maker".
halt() {
	local device=$1 call=$2
	shift 2
	(
		fault "$device" "$call" "then:STOP:$BASHPID"
		exec "$@"
	) >"$BATS_TEST_TMPDIR/maker" 2>&1 3>&- &
	maker=$!
	until_true halted_or_over $maker
	well "$device"
	[ "$(state_of $maker)" = T ]
}

# NAME DEVICE CALL WORDS...: the same with a process that is told what to do; false when it answers before.
halt_at() {
	local name=$1 device=$2 call=$3
	shift 3
	fault "$device" "$call" "then:STOP:${PID_OF[$name]}"
	order "$name" "$@"
	until_true halted_or_heard "$name"
	well "$device"
	[ "$(state_of "${PID_OF[$name]}")" = T ]
}

# To its end, how it went is in $status.
go_on() {
	kill -CONT "$maker" 2>/dev/null || true
	status=0
	wait "$maker" || status=$?
	output=$(cat "$BATS_TEST_TMPDIR/maker")
	stderr=
}

# ---- time ----

export CLOCK=${BATS_FILE_TMPDIR-}/clock

# COMMAND...: by the clocks of this test, which the daemons have that it starts (tests/fake/clock.c).
by_clock() {
	LD_PRELOAD=$BUILD/tests/fake/clock.so LD_CLOCK=$CLOCK "$@"
}

# MS: words that give a command clocks which are so much ahead of all others.
ahead() {
	echo "$1" >"$BATS_TEST_TMPDIR/ahead"
	echo env "LD_PRELOAD=$BUILD/tests/fake/clock.so" "LD_CLOCK=$BATS_TEST_TMPDIR/ahead"
}

# Ten minutes go by for all that runs by_clock.
minutes_pass() {
	local now
	now=$(cat "$CLOCK" 2>/dev/null) || now=0
	echo $((now + 600000)) >"$CLOCK.new"
	mv "$CLOCK.new" "$CLOCK"
}
