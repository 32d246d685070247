#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hsmctl status --applications: what running applications count, whatever happens to them and to their members.
load ../cli/helper
load ../cli/fleet
load faults

setup_file() {
	own_fleet
	own_group
	own_key signing-1
	own_application
	# Others may go in there.
	PLACE=$(mktemp -d /dev/shm/hsmctl-counted.XXXXXX)
	chmod 755 "$PLACE"
	export PLACE
	unset XDG_RUNTIME_DIR
}

teardown_file() {
	end_fleet
	umount "$PLACE/small" 2>/dev/null || true
	rm -rf "$PLACE"
}

setup() {
	hsmctl -q device start --all >/dev/null
	export HSMCTL_LOG=$BATS_TEST_TMPDIR/log
	rm -rf "$HSMCTL_STORE/run"
}

application() { # NAME
	begin "$1" "$BUILD/tests/slot/counted" by-line
}

# [OPTIONS...]: $output is the document.
look() {
	expect 0 hsmctl -o json status --applications "$@"
	is_valid
}

# FILTER: of what is looked at, in the end; the filter gives true.
shows() {
	hsmctl -o json status --applications | jq -e "$1" >/dev/null
}

@test "each process is counted by itself while it uses a group, and gone when it ends" {
	application one
	application two
	tell one 0x0 sign 20
	tell two 0x0 sign 3
	look
	[ "$(field '.applications | length')" = 2 ]
	[ "$(field '.ended | length')" = 0 ]
	one=".applications[] | select(.pid == ${PID_OF[one]})"
	two=".applications[] | select(.pid == ${PID_OF[two]})"
	[ "$(field "$one | \"\(.program) \(.group) \(.state) \(.user) \(.failed) \(.up) \(.of)\"")" = \
		"counted payments running $(id -un) 0 4 4" ]
	[ "$(field "[($one | .calls), ($two | .calls)] | .[0] - .[1]")" = 17 ]
	[ "$(field "$one | .logged_in and .sessions == 1 and .p50_ms > 0 and .p99_ms >= .p50_ms")" = true ]
	[ "$(field "$one | .calls == ([.counted.times[].count] | add)")" = true ]
	[ "$(field "$one | .serial")" = "$(jq -r '.groups[0].serial' "$HSMCTL_STORE/fleet.json")" ]
	[ "$(field '.places[0] | "\(.folder) \(.state) \(.files)"')" = "$HSMCTL_STORE/run/applications read 2" ]
	expect 0 hsmctl status -a
	prints "counted"
	prints "$HSMCTL_STORE/run/applications"
	tell one 0x0 finalize
	look
	[ "$(field '[.applications[].pid] | join(" ")')" = "${PID_OF[two]}" ]
	tell one 0x0 initialize
	look
	[ "$(field '.applications | length')" = 2 ]
	end one
	end two
	look
	[ "$(field '(.applications + .ended) | length')" = 0 ]
}

@test "a member that is killed is down with its reason, calls go on to others, and it serves again" {
	application one
	tell one 0x0 sign 10
	crash hsm-east-1
	crash hsm-east-2
	tell one 0x0 sign 10
	look
	[ "$(field '.applications[0] | "\(.failed) \(.up) \(.of)"')" = "0 2 4" ]
	[ "$(field '.applications[0].failovers >= 2')" = true ]
	[ "$(field '[.applications[0].members[] | "\(.name) \(.role) \(.state)"] | join(", ")')" = \
		"hsm-east-1 active down, hsm-east-2 active down, hsm-west-1 standby up, hsm-west-2 standby up" ]
	[ "$(field '[.applications[0].members[:2][] | .reason != null and .since != null and .failovers >= 1 and .failed >= 1 and
		.outages == 1] | all')" = true ]
	[ "$(field '[.applications[0].events[].code] | unique | join(" ")')" = "HA001 HA005" ]
	expect 3 hsmctl status payments --applications --check
	says "1 of 1 applications go without a member"
	hsmctl -q device start --all >/dev/null
	until_true shows '.applications[0] | .up == 4 and .last_event[:5] == "HA002" and .members[0].reason == null'
	expect 0 hsmctl status payments --applications --check
	end one
	for code in HA001 HA002 HA005; do
		grep -q " ha: $code " "$HSMCTL_LOG"
	done
}

@test "a member that hangs is cut" {
	application one
	tell one 0x0 sign 10
	kill -STOP "$(daemon hsm-east-1)" "$(daemon hsm-east-2)"
	tell one 0x0 sign 10
	kill -CONT "$(daemon hsm-east-1)" "$(daemon hsm-east-2)"
	look
	[ "$(field '[.applications[0].members[:2][] | .cuts >= 1 and .outages >= 1] | all')" = true ]
	[ "$(field '.applications[0].failed')" = 0 ]
	end one
}

@test "members that leave and join are seen as the document has them" {
	cp "$HSMCTL_STORE/fleet.json" "$BATS_TEST_TMPDIR/before.json"
	application one
	tell one 0x0 sign 1
	change_document '.groups[0].members |= map(select(.device != "hsm-west-2"))'
	changed() {
		tell one 0x0 sign 1
		shows ".applications[0] | .of == $1 and .up == $1"
	}
	until_true changed 3
	look
	[ "$(field '[.applications[0].members[].name] | join(" ")')" = "hsm-east-1 hsm-east-2 hsm-west-1" ]
	[ "$(field '.applications[0].last_event')" = HA006 ]
	cat "$BATS_TEST_TMPDIR/before.json" >"$HSMCTL_STORE/fleet.json"
	until_true changed 4
	look
	[ "$(field '.applications[0].last_event')" = "HA002 hsm-west-2" ]
	end one
}

@test "that no member is left is an error of the group, told once" {
	application one
	tell one 0x0 sign 1
	for device in $DEVICES; do
		crash "$device"
	done
	for _ in 1 2 3; do
		tell one 0x32 sign 1
	done
	look
	[ "$(field '.applications[0] | "\(.failed) \(.up)"')" = "3 0" ]
	[ "$(field '[.applications[0].events[] | select(.code == "HA008")] | length')" = 1 ]
	hsmctl -q device start --all >/dev/null
	end one
}

@test "a child counts for itself" {
	application one
	tell one 0x0 sign 5
	look
	before=$(field '.applications[0].calls')
	order one fork
	hear one
	look
	[ "$(field "[.applications[] | select(.pid == ${PID_OF[one]})][0].calls")" = "$before" ]
	[ "$(field "[.applications[] | select(.pid == $((answer)))] | length")" = 1 ]
	tell one 0x0 reap
	tell one 0x0 sign 5
	look
	[ "$(field '[.applications[].pid] | join(" ")')" = "${PID_OF[one]}" ]
	[ "$(field '.applications[0].calls')" = $((before + 5)) ]
	[ "$(field '.ended | length')" = 1 ]
	end one
}

@test "a killed process is shown as ended until its file is a day old" {
	application one
	tell one 0x0 sign 5
	kill -KILL "${PID_OF[one]}"
	wait "${PID_OF[one]}" || true
	look
	[ "$(field '.applications | length')" = 0 ]
	[ "$(field '.ended[0] | "\(.pid) \(.state) \(.calls > 0)"')" = "${PID_OF[one]} ended true" ]
	# Nobody is unhealthy who is gone.
	expect 0 hsmctl status -a --check
	look
	[ "$(field '.ended | length')" = 1 ]
	end one || true
	# As if the machine had been started again meanwhile, and the day were over.
	file=$(echo "$HSMCTL_STORE"/run/applications/*)
	/usr/bin/python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(32); f.write(bytes(8))' "$file"
	touch -d '2 days ago' "$file"
	look
	[ "$(field '.ended | length')" = 1 ]
	look
	[ "$(field '.ended | length')" = 0 ]
}

# Whom neither the programs of the tests nor the tree need be open for.
as_www() {
	setpriv --reuid=www-data --regid=www-data --clear-groups /usr/bin/env PATH=/usr/bin:/bin "$@"
}

# NAME [VARIABLES...]: an application of another user, with a bundle.
application_of_www() {
	local name=$1
	shift
	hsmctl -q ha export payments --bundle "$PLACE/web" --owner www-data >/dev/null
	cp "$MODULE" "$BUILD/tests/slot/counted" "$PLACE/"
	begin "$name" setpriv --reuid=www-data --regid=www-data --clear-groups /usr/bin/env PATH=/usr/bin:/bin \
		MODULE="$PLACE/hsmctl-pkcs11.so" HSMCTL_STORE="$PLACE/web" HSMCTL_LOG="$PLACE/log" "$@" "$PLACE/counted" by-line
}

@test "an application of another user is seen through a folder that all may write" {
	[ "$(id -u)" -eq 0 ] || skip "only root gives files away"
	mkdir -m 1777 "$PLACE/run"
	application_of_www web HSMCTL_STATISTICS="$PLACE/run"
	application own
	tell web 0x0 sign 5
	HSMCTL_STATISTICS=$PLACE/run expect 0 hsmctl -o json status -a
	is_valid
	[ "$(field '.applications[0] | "\(.program) \(.user) \(.up)"')" = "counted www-data 4" ]
	[ "$(field '.places | length')" = 1 ]
	# Whoever uses a store of their own is seen there.
	look
	[ "$(field '[.applications[].pid] | join(" ")')" = "${PID_OF[own]}" ]
	as_www sh -c "cat '$HSMCTL_STORE'/run/applications/* 2>&1" | grep -q denied
	end web
	end own
	[ -z "$(ls "$PLACE/run")" ]
}

@test "an application that may write nowhere is not counted, and works" {
	[ "$(id -u)" -eq 0 ] || skip "only root gives files away"
	[ ! -e /run/hsmctl/applications ] || skip "this host has a folder for all"
	touch "$PLACE/log"
	chown www-data "$PLACE/log"
	application_of_www web
	tell web 0x0 sign 5
	end web
	grep -q "stats: ST001 no folder takes the statistics of 'payments'" "$PLACE/log"
	[ -z "$(find "$PLACE/web" -name run)" ]
	rm "$PLACE/log"
	# Nor is who does not want to be.
	HSMCTL_STATISTICS=off application one
	tell one 0x0 sign 1
	[ ! -e "$HSMCTL_STORE/run" ]
	end one
}

@test "a file system without room costs an application nothing, and one that fills up neither" {
	mkdir "$PLACE/small"
	mount -t tmpfs -o size=64k,mode=1777 tmpfs "$PLACE/small" 2>/dev/null || skip "nothing can be mounted here"
	head -c 60k /dev/zero >"$PLACE/small/full"
	HSMCTL_STATISTICS=$PLACE/small application one
	tell one 0x0 sign 5
	[ "$(ls "$PLACE/small")" = full ]
	rm "$PLACE/small/full"
	HSMCTL_STATISTICS=$PLACE/small application two
	head -c 128k /dev/zero >"$PLACE/small/full" || true
	tell two 0x0 sign 5
	HSMCTL_STATISTICS=$PLACE/small expect 0 hsmctl -o json status -a
	is_valid
	[ "$(field '.applications[0].pid')" = "${PID_OF[two]}" ]
	end one
	end two
	umount "$PLACE/small"
}

@test "what is no file of statistics is counted and nothing else" {
	application one
	folder=$HSMCTL_STORE/run/applications
	file=$(echo "$folder"/*)
	: >"$folder/notes"
	: >"$folder/1-1-0.payments"
	ln -s "$file" "$folder/2-1-0.payments"
	mkfifo "$folder/3-1-0.payments"
	cp "$file" "$folder/4-1-0.payments"
	truncate -s 1T "$folder/5-1-0.payments"
	look
	[ "$(field '.applications | length')" = 1 ]
	[ "$(field '.places[0] | "\(.files) \(.refused)"')" = "1 5" ]
	end one
}

@test "thousands of processes are listed, and a new one finds room" {
	application one
	/usr/bin/python3 - "$HSMCTL_STORE/run/applications" <<-'PROGRAM'
		import os, struct, sys
		name = os.listdir(sys.argv[1])[0]
		data = bytearray(open(os.path.join(sys.argv[1], name), "rb").read())
		for n in range(1, 3001):
		    data[24:32] = struct.pack("=Q", n)
		    with open(os.path.join(sys.argv[1], f"{name.split('-')[0]}-{n}-0.payments"), "wb") as file:
		        file.write(data)
	PROGRAM
	look
	[ "$(field '.ended | length')" = 3000 ]
	expect 0 hsmctl status -a
	[ "$(wc -l <<<"$output")" -gt 3000 ]
	application two
	look
	[ "$(field '.applications | length')" = 2 ]
	[ "$(field '(.ended | length) < 600')" = true ]
	end one
	end two
}

@test "one group's applications are asked for by its name, and a group that is not there is not found" {
	application one
	look payments
	[ "$(field '.applications | length')" = 1 ]
	expect 6 hsmctl -o json status nothing --applications
	is_valid
	end one
	look payments
	[ "$(field '.applications | length')" = 0 ]
	# Without a store, too.
	HSMCTL_STORE=$PLACE/none expect 0 hsmctl -o json status -a
	is_valid
	[ "$(field '.places[0].state')" = absent ]
}
