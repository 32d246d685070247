# SPDX-License-Identifier: Apache-2.0
# What tests on a running fleet share. A test file begins:
#
#	load helper
#	load fleet
#	setup_file() { own_fleet; }
#	teardown_file() { end_fleet; }
#
# and then has four appliances, east_1 east_2 west_1 west_2 of no group yet.
SOFTHSM=/usr/lib/softhsm/libsofthsm2.so
DEVICES="hsm-east-1 hsm-east-2 hsm-west-1 hsm-west-2"

# The reference fleet, on tmpfs, for all tests of a file.
own_fleet() {
	unset HSMCTL_OUTPUT HSMCTL_TIMEOUT HSMCTL_PROGRESS HSMCTL_LOG HSMCTL_DEBUG NO_COLOR
	HOME=$(mktemp -d /dev/shm/hsmctl-test.XXXXXX)
	export HOME HSMCTL_STORE=$HOME/store XDG_STATE_HOME=$HOME/state
	hsmctl -q provision apply "$ROOT/examples/two-regions.json" --yes >/dev/null
}

end_fleet() {
	local device
	[[ $HOME == /dev/shm/hsmctl-test.* ]] || return 1
	for device in $DEVICES; do
		crash "$device" 2>/dev/null || true
	done
	rm -rf "$HOME"
}

own_group() {
	hsmctl -q ha create payments --member hsm-east-1 --member hsm-east-2 \
		--standby hsm-west-1 --standby hsm-west-2 >/dev/null
}

# What the programs of tests/slot and applications as they are packaged want to know: $MODULE, $PIN.
own_application() {
	PIN=$(cat "$HSMCTL_STORE/secrets/user.pin")
	MODULE=$BUILD/lib/pkcs11/hsmctl-pkcs11.so
	export PIN MODULE
}

tool() {
	pkcs11-tool --module "$MODULE" --login --pin env:PIN "$@"
}

# Standbys are left.
lose_the_active_ones() {
	crash hsm-east-1
	crash hsm-east-2
}

# Each member in turn answers nobody, while another process meets it, too.
each_member_hangs() {
	local device pid
	for device in $DEVICES; do
		pid=$(daemon "$device")
		kill -STOP "$pid"
		hsmctl -q ha show payments >/dev/null || true
		kill -CONT "$pid"
	done
}

# LABEL [TYPE]
own_key() {
	hsmctl -q key generate payments --label "$1" --type "${2:-ec-p256}" >/dev/null
}

# Every member runs, and nothing is left of what a test did.
all_well() {
	hsmctl -q device start --all >/dev/null
	hsmctl -q sync payments >/dev/null
	in_sync
}

in_sync() {
	expect 0 hsmctl -o json verify payments
	is_valid
	[ "$(field .verdict)" = in_sync ]
	[ "$(field '.findings | length')" = 0 ]
	[ "$(field '.proofs.passed == 4 * .keys and .proofs.failed == 0')" = true ]
}

# KIND MEMBER LABEL: verify says so, with status 3.
found() {
	expect 3 hsmctl -o json verify payments
	is_valid
	[ "$(field .verdict)" = diverged ]
	jq -e --arg kind "$1" --arg member "$2" --arg name "$3" \
		'any(.findings[]; .kind == $kind and .member == $member and .key.label == $name)' \
		<<<"$output" >/dev/null || fail "no finding: $*"
}

# The daemon's process, from its pid file, if it runs.
daemon() {
	local pid start rest
	read -r pid start rest <"$HSMCTL_STORE/appliances/$1/appliance.pid" || return 1
	[ "$(cut -d' ' -f22 "/proc/$pid/stat" 2>/dev/null)" = "$start" ] && echo "$pid"
}

crash() {
	local pid
	pid=$(daemon "$1") && kill -9 "$pid"
	# A stopped process too; gone when nobody answers to the number.
	until_true gone "$1"
}

# "DEVICE..." WORD COMMAND...: it says the word and waits for a line; the devices crash meanwhile, and it ends well.
outlives() {
	local victims=$1 word=$2 device line to from
	shift 2
	coproc half { "$@" 2>&1; }
	read -rt 10 line <&"${half[0]}"
	[ "$line" = "$word" ] || fail "$line"
	for device in $victims; do
		crash "$device"
	done
	# shellcheck disable=SC2154
	exec {to}>&"${half[1]}" {from}<&"${half[0]}"
	echo >&"$to"
	exec {to}>&-
	wait "$half_PID" || fail "$(cat <&"$from")"
	exec {from}<&-
}

gone() {
	local pid
	pid=$(daemon "$1") || return 0
	# It may end between the two looks.
	case $(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null) in Z | "") ;; *) return 1 ;; esac
}

# DEVICE ARGUMENTS...: the member's token, behind hsmctl's back.
behind() {
	local conf=$HSMCTL_STORE/appliances/$1/softhsm2.conf
	shift
	PIN=$(cat "$HSMCTL_STORE/secrets/user.pin") SOFTHSM2_CONF=$conf \
		pkcs11-tool --module "$SOFTHSM" --login --pin env:PIN "$@"
}

# DEVICE PATTERN: does its token list an object with such a line?
lists() {
	behind "$1" --list-objects 2>/dev/null | grep -qE -- "$2"
}

lacks() {
	if lists "$@"; then
		fail "$1 lists $2"
	fi
}

# LABEL: what stands in its CKA_ID.
id_of() {
	hsmctl -o json key show payments "$1" | jq -r .id
}

# Wrong PINs that the appliances have met.
wrong_pins() {
	cat "$HSMCTL_STORE"/appliances/*/appliance.log | grep -c 'wrong PIN'
}

# SEED: repeats a run with random moments; printed when a test fails.
seed() {
	RANDOM=${SEED:=$((SECONDS + $$))}
	echo "SEED=$SEED"
}

# COMMAND...: SIGKILL it within $within ms; true if that came before its end,
# otherwise the next one gets less time.
kill_midway() {
	local ms=$((1 + RANDOM % within))
	! timeout -s KILL "$(printf '0.%03d' "$ms")" "$@" >/dev/null 2>&1 && return
	within=$((within > 20 ? within * 2 / 3 : within))
	return 1
}

# FILTER: the store's document, changed by hand.
change_document() {
	local text
	text=$(jq "$1" "$HSMCTL_STORE/fleet.json")
	cat >"$HSMCTL_STORE/fleet.json" <<<"$text"
}
