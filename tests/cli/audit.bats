#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load helper

setup() {
	own_fleet 1
	hsmctl provision apply "$FLEET" >/dev/null
}
teardown() { end_fleet; }

@test "show prints every change, oldest first" {
	expect 0 hsmctl audit show -o json
	is_valid
	[ "$(field '[.entries[] | "\(.number) \(.action) \(.subject)"] | join(", ")')" = \
		"1 provision apply datacenter dc-1, 2 provision apply device hsm-1" ]
	expect 0 hsmctl audit show
	prints "device hsm-1"
}

@test "--last prints the newest entries only" {
	expect 0 hsmctl audit show --last 1 -o json
	is_valid
	[ "$(field '[.entries[].number] | join(" ")')" = 2 ]
	expect 0 hsmctl audit show -n 100 -o json
	[ "$(field '.entries | length')" = 2 ]
	expect 2 hsmctl audit show --last 0
	expect 2 hsmctl audit show --last x
}

@test "verify counts a whole trail, and prints the hash of its newest entry" {
	expect 0 hsmctl audit verify -o json
	is_valid
	[ "$(field '"\(.whole) \(.entries) \(.head)"')" = "true 2 $(tail -n 1 "$HSMCTL_STORE/audit.log" | jq -r .hash)" ]
	head=$(field .head)
	expect 0 hsmctl audit verify
	prints "$head"
}

@test "a head that was noted tells of entries that were cut off" {
	hsmctl device stop hsm-1 >/dev/null
	head=$(hsmctl audit verify -o json | jq -r .head)
	hsmctl device start hsm-1 >/dev/null
	expect 0 hsmctl audit verify --head "$head"
	sed -i '3,$d' "$HSMCTL_STORE/audit.log"
	expect 0 hsmctl audit verify
	expect 3 hsmctl audit verify --head "$head" -o json
	is_valid
	[ "$(field '"\(.whole) \(.head)"')" = "false null" ]
	says "$head"
	expect 2 hsmctl audit verify --head beef
}

@test "a document that was changed by hand is told: by verify, and by whoever comes next" {
	expect 0 hsmctl audit verify
	text=$(jq '.datacenters[0].region = "north"' "$HSMCTL_STORE/fleet.json")
	printf '%s\n' "$text" >"$HSMCTL_STORE/fleet.json"
	digest=$(sha256sum <"$HSMCTL_STORE/fleet.json" | cut -d' ' -f1)
	expect 3 hsmctl audit verify -o json
	is_valid
	[ "$(field .whole)" = false ]
	says "was changed by other means than hsmctl"
	expect 0 hsmctl device stop hsm-1
	says "was changed by other means than hsmctl"
	expect 0 hsmctl audit show -o json
	is_valid
	[ "$(field '[.entries[-2:][].action] | join(", ")')" = "store changed, device stop" ]
	[ "$(field '[.entries[-2:][].document] | unique | join(" ")')" = "$digest" ]
	expect 0 hsmctl audit verify
	# Once: what was written down is known.
	expect 0 hsmctl device start hsm-1
	[ -z "$stderr" ]
}

@test "a document that was changed by hand, and its revision lowered by one, is no unfinished commit" {
	expect 0 hsmctl device stop hsm-1
	text=$(jq '.revision -= 1 | .datacenters[0].region = "north"' "$HSMCTL_STORE/fleet.json")
	printf '%s\n' "$text" >"$HSMCTL_STORE/fleet.json"
	expect 0 hsmctl device start hsm-1
	says "was changed by other means than hsmctl"
	expect 0 hsmctl audit show -o json
	is_valid
	[ "$(field '[.entries[-2:][].action] | join(", ")')" = "store changed, device start" ]
}

@test "entries say what was done, by whom, and who that was before sudo" {
	SUDO_USER=alice expect 0 hsmctl ha create payments --member hsm-1
	expect 0 hsmctl key generate payments --type ec-p256 --label signing-1
	expect 0 hsmctl audit show -o json
	is_valid
	[ "$(field '.entries[] | select(.action == "ha create") | "\(.user) \(.sudo_user) \(.detail)"')" = \
		"$(id -un) alice active hsm-1" ]
	[ "$(field '.entries[-1] | has("sudo_user")')" = false ]
	[ "$(field '[.entries[].revision] | . == sort')" = true ]
	expect 0 hsmctl audit show
	prints "$(id -un) (alice)"
	expect 0 hsmctl audit show -o wide
	prints "$(id -un) (alice)"
	expect 0 hsmctl audit verify
}

@test "what was unmade is named with what it was and where" {
	expect 0 hsmctl device decommission hsm-1 --yes
	expect 0 hsmctl audit show --last 1 -o json
	[ "$(field '.entries[0] | "\(.subject): \(.detail)"')" = "device hsm-1: softhsm appliance in dc-1" ]
	expect 0 hsmctl provision destroy --yes
	expect 0 hsmctl audit show -o json
	[ "$(field '[.entries[] | select(.detail == null).subject] | join(" ")')" = datacenters ]
}

@test "the trail is filtered by time, subject and user" {
	SUDO_USER=alice expect 0 hsmctl device stop hsm-1
	expect 0 hsmctl device start hsm-1
	expect 0 hsmctl audit show --who alice -o json
	is_valid
	[ "$(field '[.entries[].action] | join(", ")')" = "device stop" ]
	expect 0 hsmctl audit show --subject hsm-1 -o json
	[ "$(field '[.entries[].action] | join(", ")')" = "provision apply, device stop, device start" ]
	expect 0 hsmctl audit show --subject hsm-1 --last 1 -o json
	[ "$(field '[.entries[].action] | join(", ")')" = "device start" ]
	expect 0 hsmctl audit show --who nobody-of-that-name -o json
	[ "$(field '.entries | length')" = 0 ]
	expect 0 hsmctl audit show --since 24h -o json
	[ "$(field '.entries | length')" = 4 ]
	expect 0 hsmctl audit show --since "$(field '.entries[2].time' | sed 's/\..*Z/Z/')" -o json
	[ "$(field '[.entries[].action] | index("device stop") != null')" = true ]
	expect 0 hsmctl audit show --since 2999-01-01 -o json
	[ "$(field '.entries | length')" = 0 ]
	for time in yesterday 2026-13-01 2026-11-24x ''; do
		expect 2 hsmctl audit show --since "$time"
	done
}

# The deeds of the trail, a row for each entry: "number action outcome detail".
deeds() {
	hsmctl audit show --all -o json | jq -r '.entries[] | select(.deed) | "\(.number) \(.action) \(.outcome) \(.detail)"'
}

own_group() {
	hsmctl -q ha create payments --member hsm-1 >/dev/null
	hsmctl -q key generate payments kept --type aes-128 >/dev/null
}

# Of two devices; a drill can be run on it.
own_pair() {
	write_fleet "${1:-2}"
	hsmctl -q provision apply "$FLEET" >/dev/null
	hsmctl -q ha create payments --member hsm-1 --member hsm-2 >/dev/null
	hsmctl -q key generate payments kept --type ec-p256 >/dev/null
}

@test "what is done with keys stands in the trail before it is done and after, and is one row" {
	own_group
	hsmctl -q key delete payments kept --yes >/dev/null
	expect 1 hsmctl key generate payments ed --type ed25519
	[ "$(deeds)" = "$(printf '%s\n' '3 ha create begun active hsm-1' '4 ha create done active hsm-1' \
		'5 key generate begun kept' '6 key generate done kept' '7 key delete begun kept' '8 key delete done kept' \
		'9 key generate begun ed' '10 key generate failed ed')" ] || fail "$(deeds)"
	expect 0 hsmctl audit show --all -o json
	is_valid
	[ "$(field '[.entries[] | select(.deed) | .deed] | group_by(.) | map(length) | unique | join(" ")')" = 2 ]
	expect 0 hsmctl audit show -o json
	is_valid
	[ "$(field '[.entries[] | select(.deed) | .number] | join(" ")')" = "4 6 8 10" ]
	[[ $(field '.entries[-1].reason') == *"cannot be replicated"* ]]
	expect 0 hsmctl audit show --outcome failed
	prints "failed: "
	prints "cannot be replicated"
	prints "(ed)"
	[ "${#lines[@]}" -eq 2 ]
	expect 0 hsmctl audit show --outcome begun -o json
	[ "$(field '.entries | length')" = 0 ]
	expect 2 hsmctl audit show --outcome maybe
	expect 0 hsmctl audit verify -o json
	is_valid
	[ "$(field '"\(.whole) \(.unfinished)"')" = "true 0" ]
}

# Each of these is refused with that status, and leaves all as it is.
nothing_is_done() {
	local line
	for line in "key generate payments new --type aes-128" "key delete payments kept --yes" "sync payments" \
		"device stop hsm-1" "drill run member-crash --group payments --force" "ha delete payments --yes" \
		"ha create other --member hsm-3" "provision apply $FLEET" "device decommission hsm-3 --yes"; do
		# shellcheck disable=SC2086
		expect "$1" $2 hsmctl $line
		says "$3"
	done
	[ "$(hsmctl key list payments -o json | jq -r '[.keys[].label] | join(" ")')" = kept ]
	expect 0 hsmctl status --check
	[ "$(hsmctl device list -o json | jq -r '[.devices[].name] | join(" ")')" = "hsm-1 hsm-2 hsm-3" ]
	[ "$(hsmctl ha list -o json | jq -r '[.groups[].name] | join(" ")')" = payments ]
	[ "$(hsmctl partition contents hsm-3 -o json | jq '.objects | length')" = 0 ]
}

@test "what the trail cannot tell of is not done: it is broken, full, or may not be written" {
	own_pair 3
	write_fleet 4
	log=$HSMCTL_STORE/audit.log
	cp "$log" "$log.kept"
	for junk in garbage '{}' '{"number":9}'; do
		printf '%s\n' "$junk" >>"$log"
		nothing_is_done 2 "" "the end of '$log' is not an entry, and nothing is done that it cannot tell of (hsmctl audit repair)"
		cp "$log.kept" "$log"
	done
	# No file may grow beyond what it has, nor a signal end who tries.
	limited() { bash -c 'trap "" XFSZ; ulimit -f 1; exec "$@"' _ "$@"; }
	nothing_is_done 1 limited "cannot write"
	cmp "$log.kept" "$log"
	if [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then
		read_only() {
			unshare --mount bash -c 'mount --bind "$HSMCTL_STORE" "$HSMCTL_STORE" &&
				mount -o remount,bind,ro "$HSMCTL_STORE" && exec "$@"' _ "$@"
		}
		nothing_is_done 5 read_only "cannot write the store"
	fi
	expect 0 hsmctl audit verify
	expect 0 hsmctl provision apply "$FLEET"
	expect 0 hsmctl key delete payments kept --yes
}

@test "a deed whose process was killed is told as such, and ended by the next" {
	own_pair
	hsmctl drill run member-crash --group payments --duration 60s >/dev/null 2>&1 3>&- &
	drill=$!
	until_true grep -q '"drill run"' "$HSMCTL_STORE/audit.log"
	expect 0 hsmctl audit show --outcome begun
	prints "begun, goes on"
	expect 0 hsmctl audit verify -o json
	[ "$(field .unfinished)" = 0 ]
	# Others' deeds do not end it while it lives.
	hsmctl -q key generate payments other --type aes-128 >/dev/null
	kill -KILL "$drill"
	wait "$drill" || true
	expect 0 hsmctl audit show --outcome begun
	prints "begun, has no end"
	prints "drill run"
	expect 0 hsmctl audit verify -o json
	is_valid
	[ "$(field '"\(.whole) \(.unfinished)"')" = "true 1" ]
	says "'drill run' of 'payments' was begun at"
	expect 0 hsmctl key delete payments other --yes
	says "'drill run' of 'payments' was begun"
	says "did not come to its end"
	expect 0 hsmctl audit show -o json
	is_valid
	[ "$(field '[.entries[-2:][] | "\(.action) \(.outcome)"] | join(", ")')" = "drill run not_known, key delete done" ]
	[ "$(field '[.entries[] | select(.action == "drill run")] | length')" = 1 ]
	expect 0 hsmctl audit verify -o json
	[ "$(field .unfinished)" = 0 ]
	[ -z "$stderr" ]
	expect 0 hsmctl -q key generate payments last --type aes-128
	[ -z "$stderr" ]
}

@test "the result of what changes something carries the head of the trail, of what does not none" {
	own_group
	carries() {
		expect "$@" -o json
		is_valid
		[ "$(field .audit_head)" = "$(tail -n 1 "$HSMCTL_STORE/audit.log" | jq -r .hash)" ] || fail "no head: $*"
	}
	lacks_it() {
		expect "$@" -o json
		is_valid
		[ "$(field 'has("audit_head")')" = false ] || fail "a head: $*"
	}
	carries 0 hsmctl key generate payments one --type aes-128
	first=$(field .audit_head)
	carries 0 hsmctl key delete payments one --yes
	carries 0 hsmctl sync payments
	carries 0 hsmctl device stop hsm-1
	lacks_it 0 hsmctl device stop hsm-1
	carries 0 hsmctl device start --all
	lacks_it 0 hsmctl sync payments --dry-run
	for line in "key show payments kept" "device list" "ha show payments" "verify payments" "audit show"; do
		# shellcheck disable=SC2086
		lacks_it 0 hsmctl $line
	done
	carries 0 hsmctl ha delete payments --yes
	carries 0 hsmctl ha create payments --member hsm-1
	hsmctl -q ha delete payments --yes >/dev/null
	write_fleet 2
	carries 0 hsmctl provision apply "$FLEET"
	carries 0 hsmctl device decommission hsm-2 --yes
	carries 0 hsmctl provision destroy --yes
	expect 0 hsmctl audit verify --head "$first"
	# An end that was cut off, be it of keys alone.
	count=$(grep -n "$first" "$HSMCTL_STORE/audit.log" | head -n 1 | cut -d: -f1)
	sed -i "$count,\$d" "$HSMCTL_STORE/audit.log"
	expect 3 hsmctl audit verify --head "$first"
	# In the shell each line has its own.
	hsmctl shell -c "provision apply $FLEET --yes" >/dev/null
	expect 0 hsmctl -o json shell -c 'device stop hsm-1'
	is_valid
	[ "$(field .audit_head)" = "$(tail -n 1 "$HSMCTL_STORE/audit.log" | jq -r .hash)" ]
}

@test "a broken end is kept beside the trail and gone on from, after a question" {
	log=$HSMCTL_STORE/audit.log
	cp "$log" "$log.whole"
	for junk in garbage '{"number":9}' ''; do
		cp "$log" "$log.before"
		printf '%s\n' "$junk" >>"$log"
		expect 3 hsmctl audit verify
		says "hsmctl audit repair"
		expect 2 hsmctl audit show
		says "hsmctl audit repair"
		expect 2 hsmctl audit repair </dev/null
		says "--yes"
		cmp <(printf '%s\n' "$junk") <(tail -n 1 "$log")
		expect 0 hsmctl audit repair --yes -o json
		is_valid
		[ "$(field '"\(.repaired) \(.new_chain) \(.entries) \(.cut)"')" = \
			"true false $(wc -l <"$log.before") $((${#junk} + 1))" ]
		kept=$(field .kept)
		[ "$(stat -c %a "$kept")" = 600 ]
		cmp <(printf '%s\n' "$junk") "$kept"
		[ "$(sha256sum <"$kept" | cut -d' ' -f1)" = "$(field .sha256)" ]
		cmp -n "$(stat -c %s "$log.before")" "$log.before" "$log"
		[ "$(tail -n 1 "$log" | jq -r .hash)" = "$(field .audit_head)" ]
		[[ $(tail -n 1 "$log" | jq -r .detail) == *"${kept##*/}"*"$(field .sha256)"* ]]
		expect 0 hsmctl audit verify
	done
	expect 0 hsmctl device stop hsm-1
	expect 0 hsmctl audit repair
	says "nothing to repair"
	expect 0 hsmctl audit repair --new-chain -o json
	is_valid
	[ "$(field '"\(.repaired) \(.kept) \(has("audit_head"))"')" = "false null false" ]
	cmp -n "$(stat -c %s "$log.whole")" "$log.whole" "$log"
}

@test "a chain that is broken further up is put aside only when that is meant" {
	log=$HSMCTL_STORE/audit.log
	sed -i '1s/dc-1/dc-9/' "$log"
	cp "$log" "$log.was"
	expect 3 hsmctl audit repair --yes
	says "line 1: it was changed"
	says "--new-chain"
	expect 2 hsmctl audit repair --new-chain </dev/null
	cmp "$log.was" "$log"
	expect 0 hsmctl audit repair --new-chain --yes -o json
	is_valid
	[ "$(field '"\(.repaired) \(.new_chain)"')" = "true true" ]
	cmp "$log.was" "$(field .kept)"
	[ "$(sha256sum <"$log.was" | cut -d' ' -f1)" = "$(field .sha256)" ]
	digest=$(field .sha256)
	expect 0 hsmctl audit verify -o json
	[ "$(field .entries)" = 1 ]
	expect 0 hsmctl audit show
	prints "$digest"
	expect 0 hsmctl device stop hsm-1
	expect 0 hsmctl audit verify
	chmod 666 "$log"
	expect 5 hsmctl audit repair --yes
}

@test "verify finds a changed entry" {
	sed -i '1s/dc-1/dc-9/' "$HSMCTL_STORE/audit.log"
	expect 3 hsmctl audit verify -o json
	is_valid
	[ "$(field '"\(.whole) \(.entries)"')" = "false null" ]
	[ "$(field .detail)" != null ]
}

@test "verify finds a removed entry" {
	sed -i 1d "$HSMCTL_STORE/audit.log"
	expect 3 hsmctl audit verify
}

@test "a trail that others can write is refused" {
	chmod 666 "$HSMCTL_STORE/audit.log"
	expect 5 hsmctl audit show
	expect 5 hsmctl audit verify
}

@test "without a store there is no trail" {
	HSMCTL_STORE=$FLEET_FOLDER/none expect 6 hsmctl audit show
	HSMCTL_STORE=$FLEET_FOLDER/none expect 6 hsmctl audit verify
	HSMCTL_STORE=$FLEET_FOLDER/none expect 6 hsmctl audit repair --yes
}
