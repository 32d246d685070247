#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many writers, slow clocks, lost members: nothing acknowledged is lost, nothing deleted comes back.
load replicas

# ---- a sync beside writers ----

@test "a key that is made while a sync stands between any two of its looks is that key" {
	writer b
	looks=0
	while halt hsm-west-2 "C_FindObjectsInit@$((looks + 1))" hsmctl -q sync payments; do
		looks=$((looks + 1))
		tell b 0x0 generate aes "between-$looks"
		go_on
	done
	go_on
	end b
	[ $looks -gt 2 ]
	settled
	are_listed $looks '^between-'
	leave_many
}

# LOOK: a sync with work stands after this search of its on each member in turn, and a key is changed each time; false
# when it does not make so many.
changed_at_each_member() {
	local next
	behind hsm-east-1 --delete-object --type secrkey --id "$work" >/dev/null 2>&1
	halt hsm-east-1 "C_FindObjectsInit@$1" hsmctl -q sync payments || return 1
	for next in hsm-east-2 hsm-west-1 hsm-west-2 ''; do
		tell b 0x0 label "changed-$((++changes))"
		[ -z "$next" ] || fault "$next" C_FindObjectsInit@1 "then:STOP:$maker"
		kill -CONT "$maker"
		until_true halted_or_over "$maker"
	done
	# shellcheck disable=SC2086
	well $DEVICES
}

@test "a key that is changed while a sync stands between any two of its looks is that key" {
	seed
	own_key work aes-128
	work=$(id_of work)
	changes=0 look=$((1 + RANDOM % EVERY))
	writer b
	tell b 0x0 generate aes changed-0
	tell b 0x0 know changed-0
	while changed_at_each_member $look; do
		look=$((look + EVERY))
		go_on
	done
	go_on
	end b
	[ $changes -gt 4 ]
	settled
	are_listed 1 '^changed-'
}

# HOW... : a key whose maker stands still at a call while others sync and verify is acknowledged, and is whole.
waits_for_syncs() {
	local at count=0
	for at in "hsm-east-1 C_CreateObject@1" "hsm-east-1 C_GenerateKeyPair@1" "hsm-east-2 C_UnwrapKey@1" \
		"hsm-west-2 C_CreateObject@1" "hsm-west-2 C_UnwrapKey@1"; do
		count=$((count + 1))
		# shellcheck disable=SC2086
		halt $at "$@" hsmctl -q key generate payments --type ec-p256 --label "waits-$BATS_TEST_NUMBER-$count" ||
			fail "not stopped after $at"
		expect 0 hsmctl -o json sync payments
		[ "$(field .adopted)" = 0 ]
		go_on
		[ "$status" -eq 0 ] || fail "status $status after $at"
	done
	settled
	are_listed $count "^waits-$BATS_TEST_NUMBER-"
}

@test "a key whose maker is slow is left to it by every sync, and acknowledged" {
	waits_for_syncs env
}

@test "a key whose maker has a clock two minutes behind is left to it by every sync, and acknowledged" {
	# shellcheck disable=SC2046
	waits_for_syncs $(ahead -120000)
}

# LABEL DEVICE CALL: the maker stands there for ten minutes, and what nobody finishes is taken away meanwhile.
oversleeps() {
	halt "$2" "$3" hsmctl -q key generate payments --type ec-p256 --label "$1"
	minutes_pass
	for i in 1 2; do
		by_clock hsmctl -o json sync payments >"$BATS_TEST_TMPDIR/sync$i"
	done
	[ "$(jq -s 'map(.deleted) | add' "$BATS_TEST_TMPDIR"/sync?)" -gt 0 ] || fail "nothing was taken away after $3"
	go_on
	said=$status
	settled
	made_as_said "$said" "$1"
}

@test "a maker that was stopped for longer than its lease does not acknowledge a key that is gone" {
	oversleeps overslept-1 hsm-east-1 C_CreateObject@1
	oversleeps overslept-2 hsm-east-1 C_GenerateKeyPair@1
	oversleeps overslept-3 hsm-west-2 C_UnwrapKey@1
	[ "$said" -ne 0 ] || fail "acknowledged"
}

# ---- an old index ----

@test "a key that another process deleted cannot be changed, and stays deleted" {
	own_key stale-1
	writer a
	tell a 0x0 know stale-1
	hsmctl -q key delete payments stale-1 --yes >/dev/null
	tell a 0x82 label changed
	tell a 0x82 id changed
	end a
	is_gone stale-1
	is_gone changed
	settled
}

@test "a key that another process deleted while a member was away cannot be changed, and stays deleted" {
	own_key stale-3
	writer a
	tell a 0x0 know stale-3
	crash hsm-west-2
	hsmctl -q key delete payments stale-3 --yes >/dev/null
	start_all
	tell a 0x82 label changed
	end a
	settled
	is_gone stale-3
	is_gone changed
}

@test "three acknowledged changes are not undone by a process that knows the key before them" {
	own_key many-names
	writer a
	writer b
	tell a 0x0 know many-names
	tell b 0x0 know many-names
	for name in name-1 name-2 name-3; do
		tell b 0x0 label $name
	done
	tell a 0x0 id changed-id
	end a
	end b
	lives name-3
	[ "$(field .id)" = "$(printf changed-id | od -An -tx1 | tr -d ' \n')" ]
	settled
}

# CALL: a key is deleted while the process that changes it stands after such a call of its, after each in turn.
deleted_at_each() {
	local label calls=0
	for ((; ; calls++)); do
		label=$1-$calls
		tell b 0x0 generate aes "$label"
		tell a 0x0 know "$label"
		tell b 0x0 know "$label"
		halt_at a hsm-east-2 "$1@$((calls + 1))" label "$label-changed" || break
		tell b 0x0 destroy
		kill -CONT "${PID_OF[a]}"
		hear a
	done
	hear a 0x0
	tell b 0x0 destroy
	[ $calls -gt 0 ]
}

@test "a change whose process stands between any two of its messages does not bring a deleted key back" {
	writer a
	writer b
	deleted_at_each C_FindObjectsInit
	deleted_at_each C_CreateObject
	end a
	end b
	settled
	none_is_listed '^C_'
}

# ---- members that missed something ----

@test "a key deleted on three members is gone for its process when only the fourth answers, and for all afterwards" {
	own_key missed-1
	writer a
	tell a 0x0 know missed-1
	tell a 0x0 sign
	crash hsm-west-2
	tell a 0x0 destroy
	for device in hsm-east-1 hsm-east-2 hsm-west-1; do
		crash $device
	done
	by_clock hsmctl -q device start hsm-west-2 >/dev/null
	# It calls the three down at the first search, and asks whom it called down before at the next.
	for _ in 1 2 3; do
		order a find missed-1
		hear a
		[[ $answer == "0 0x0" || $answer == 0x[1-9a-f]* ]] || fail "found: $answer"
		tell a '0x*' know missed-1
		tell a '0x*' sign
		[ "$answer" != 0x0 ]
	done
	start_all
	tell_until a "0 0x0" find missed-1
	[ "$(echo find missed-1 | told)" = "0 0x0" ]
	settled
	for device in hsm-east-1 hsm-east-2 hsm-west-1; do
		crash $device
	done
	[ "$(echo find missed-1 | told)" = "0 0x0" ]
	tell_until a "0 0x0" find missed-1
	end a
	settled
	is_gone missed-1
}

@test "a delete during which three of four members go away is not acknowledged by the one that took it" {
	own_key half-deleted
	three_die C_CreateObject
	run --separate-stderr hsmctl -o json key delete payments half-deleted --yes
	said=$status
	[ "$said" -eq 10 ] || [ "$said" -eq 7 ] || fail "status $said"
	is_valid
	settled
	deleted_as_said "$said" half-deleted
}

@test "a change during which three of four members go away is not acknowledged by the one that took it" {
	own_key half-changed
	writer a
	tell a 0x0 know half-changed
	three_die C_CreateObject
	tell a '0x*' label half-changed-2
	[ "$answer" != 0x0 ]
	end a
	settled
	lives_or_is_gone half-changed
	lives_or_is_gone half-changed-2
	are_listed 1 '^half-changed'
}

@test "a key that an application destroys while three of four members go away is not said to be gone" {
	own_key half-destroyed
	writer a
	tell a 0x0 know half-destroyed
	three_die C_CreateObject
	tell a '0x*' destroy
	said=$answer
	[ "$said" != 0x0 ]
	end a
	settled
	deleted_as_said "$said" half-destroyed
}

# TYPE N: three members die at the N-th data object of theirs.
made_by_halves() {
	local said
	three_die "C_CreateObject@$2"
	said=0
	hsmctl -q key generate payments --type "$1" --label "half-made-$1-$2" >/dev/null 2>&1 || said=$?
	settled
	made_as_said $said "half-made-$1-$2"
}

@test "of a key during whose making three of four members go away is said what is so" {
	made_by_halves aes-128 1
	made_by_halves aes-128 2
	made_by_halves ec-p256 3
}

@test "of a key during whose making by an application three members go away is said what is so" {
	for nth in 1 2; do
		writer a
		three_die "C_CreateObject@$nth"
		tell a '0x*' generate aes "half-$nth"
		end a
		said=$answer
		settled
		made_as_said "$said" "half-$nth"
	done
}

# ---- whose fault it is ----

# Who was called down by the processes of this test.
called_down() {
	sed -n "s/.*member '\([^']*\)' of 'payments' is down.*/\1/p" "$HSMCTL_LOG" | sort -u | xargs
}

# FAULT...: it befalls the member on which a key is made, and that key and the next are made at once, on the others.
makes_on_others() {
	writer a
	fault hsm-east-1 "$@"
	tell a 0x0 generate ec "$BATS_TEST_NUMBER-1"
	tell a 0x0 generate ec "$BATS_TEST_NUMBER-2"
	kill -CONT "$(daemon hsm-east-1)" 2>/dev/null || true
	well hsm-east-1
	end a
	settled
	are_listed 2 "^$BATS_TEST_NUMBER-"
	[ -z "$(called_down)" ] || [ "$(called_down)" = hsm-east-1 ] || fail "down: $(called_down)"
}

@test "when the member on which a key is made dies, the key and the next are made on others" {
	makes_on_others C_GenerateKeyPair die
}

@test "when the member on which a key was made dies before it says so, the key and the next are made on others" {
	makes_on_others C_GenerateKeyPair then:die
}

@test "when the member from which a key is copied dies, the key and the next are made and nobody else is down" {
	makes_on_others C_WrapKey then:die
}

@test "when the member on which a key is made hangs, the key and the next are made on others" {
	makes_on_others C_GenerateKeyPair "STOP:$(daemon hsm-east-1)"
}

@test "when the member from which a key is copied hangs, the key and the next are made and nobody else is down" {
	makes_on_others C_WrapKey "STOP:$(daemon hsm-east-1)"
}

@test "when the token on which a key is made fails once, the key is made" {
	for rv in 0x5 0x30; do
		writer a
		fault hsm-east-1 C_GenerateKeyPair@1 $rv C_GenerateKey@1 $rv
		tell a 0x0 generate ec "once-$rv-1"
		tell a 0x0 generate aes "once-$rv-2"
		end a
		fault hsm-east-1 C_GenerateKey@1 $rv
		own_key "once-$rv-3" aes-128
		well hsm-east-1
	done
	settled
	are_listed 6 '^once-'
}

@test "while the first member's disk is full keys are made, changed and deleted on the others" {
	pid=$(daemon hsm-east-1)
	writer a
	prlimit --pid "$pid" --fsize=0:unlimited
	for label in full-1 full-2 full-3; do
		tell a 0x0 generate ec $label
	done
	own_key full-4
	expect 0 hsmctl -o json key show payments full-4
	[ "$(field .replicas)" = 3 ]
	tell a 0x0 know full-1
	tell a 0x0 label full-5
	tell a 0x0 know full-2
	tell a 0x0 destroy
	expect 0 hsmctl -q key delete payments full-3 --yes
	prlimit --pid "$pid" --fsize=unlimited:unlimited
	end a
	settled
	are_listed 2 '^full-[45]$'
	none_is_listed '^full-[123]$'
}

# ---- what a sync makes of it ----

@test "an AES key unwrapped on a member behind our back, without a label, is adopted and works as before" {
	block=$BATS_TEST_TMPDIR/block
	head -c 16 /dev/zero >"$block"
	behind hsm-west-1 --keygen --key-type AES:32 --id 01 --label kek --usage-wrap --extractable >/dev/null 2>&1
	behind hsm-west-1 --keygen --key-type AES:16 --id 02 --label inner --usage-decrypt --extractable --sensitive \
		>/dev/null 2>&1
	behind hsm-west-1 --encrypt --id 02 --mechanism AES-ECB -i "$block" -o "$block.out" >/dev/null 2>&1
	behind hsm-west-1 --wrap --mechanism AES-KEY-WRAP --id 01 --application-id 02 -o "$block.wrapped" >/dev/null 2>&1
	behind hsm-west-1 --delete-object --type secrkey --id 02 >/dev/null
	behind hsm-west-1 --unwrap --mechanism AES-KEY-WRAP --id 01 -i "$block.wrapped" --key-type AES: --extractable \
		>/dev/null 2>&1
	behind hsm-west-1 --delete-object --type secrkey --id 01 >/dev/null
	expect 0 hsmctl -o json sync payments
	[ "$(field '"\(.adopted) \(.repaired)"')" = "1 0" ]
	settled
	writer a
	tell a 0x0 know
	tell a "$(od -An -tx1 "$block.out" | tr -d ' \n') 0x0" block
	tell a 0x0 destroy
	end a
	settled
}

# ---- many at once ----

# COMMAND...: while it runs, one sync after the other; no key of anybody's is taken for nobody's.
beside_syncs() {
	local done=$BATS_TEST_TMPDIR/done adopted
	(
		until [ -e "$done" ]; do
			hsmctl -o json sync payments 2>/dev/null || true
		done
	) >"$BATS_TEST_TMPDIR/syncs" 3>&- &
	PID_OF[syncs]=$!
	"$@"
	touch "$done"
	wait "${PID_OF[syncs]}"
	adopted=$(jq -s 'map(.adopted // 0) | add' "$BATS_TEST_TMPDIR/syncs")
	[ "$adopted" = 0 ] || fail "$adopted adopted"
}

# PREFIX COUNT COMMAND...: so many keys by commands, each acknowledged.
generate_some() {
	local prefix=$1 count=$2 i
	shift 2
	for ((i = 1; i <= count; i++)); do
		"$@" hsmctl -q key generate payments --type aes-128 --label "$prefix$i" >/dev/null || fail "$prefix$i: $?"
	done
}

@test "a maker with a clock two minutes behind makes keys beside syncs, and all that it acknowledged are there" {
	# shellcheck disable=SC2046
	beside_syncs generate_some behind- 8 $(ahead -120000)
	settled
	are_listed 8 '^behind-'
	leave_many
}

three_generate() { # COUNT of each
	local one pids=()
	for one in a b c; do
		generate_some "$one" "$1" env 3>&- &
		pids+=($!)
	done
	for one in "${pids[@]}"; do
		wait "$one"
	done
}

@test "keys made by three shells beside syncs in a loop are just these keys, on every member" {
	beside_syncs three_generate $((MANY / 3))
	settled
	are_listed "$MANY" '^[abc][0-9]+$'
	leave_many
}

@test "two syncs at once bring a member that is many keys behind up to date once" {
	crash hsm-west-2
	[ "$(echo "make $MANY behind" | told)" = 0x0 ]
	start_all
	for i in 1 2; do
		hsmctl -o json sync payments >"$BATS_TEST_TMPDIR/sync$i" 2>"$BATS_TEST_TMPDIR/said$i" 3>&- &
		pids[i]=$!
	done
	for i in 1 2; do
		status=0
		wait "${pids[i]}" || status=$?
		[ $status -eq 0 ] || [ $status -eq 8 ] || fail "status $status: $(cat "$BATS_TEST_TMPDIR/said$i")"
	done
	[ "$(jq -s 'map(.copied // 0) | add' "$BATS_TEST_TMPDIR"/sync?)" = "$MANY" ]
	in_order
	are_listed "$MANY" '^behind[0-9]'
	leave_many
}

# How many messages a new process sends for its first search.
messages_of_a_search() {
	: >"$HSMCTL_LOG"
	[ "$(echo find nothing | HSMCTL_DEBUG=member told)" = "0 0x0" ]
	grep -c ' member: .*C_' "$HSMCTL_LOG"
}

@test "the first search of a process asks no more after many keys were made and deleted" {
	before=$(messages_of_a_search)
	[ "$before" -gt 0 ]
	[ "$(echo "pass-by $MANY" | told)" = 0x0 ]
	settled
	after=$(messages_of_a_search)
	# A list of what is gone may be one object more on each member.
	[ "$after" -le $((before + 8)) ] || fail "$before messages before, $after after"
}
