/* SPDX-License-Identifier: Apache-2.0 */
/* document - a fleet with everything in it, one part a line. */
#ifndef TESTS_FLEET_DOCUMENT_H
#define TESTS_FLEET_DOCUMENT_H

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define DOCUMENT_DATACENTERS                                                                       \
	"{\"name\":\"f\",\"datacenters\":[\n"                                                      \
	"{\"name\":\"e1\",\"region\":\"east\",\"provider\":\"softhsm\"},\n"                        \
	"{\"name\":\"w1\",\"region\":\"west\",\"provider\":\"softhsm\"}],\n"
#define DOCUMENT_DEVICES                                                                           \
	"\"devices\":[\n"                                                                          \
	"{\"name\":\"a\",\"datacenter\":\"e1\"},\n"                                                \
	"{\"name\":\"b\",\"datacenter\":\"w1\",\"module\":\"/lib/x.so\",\"partitions\":[\n"        \
	"{\"name\":\"p1\",\"serial\":\"s1\",\"uri\":\"pkcs11:serial=s1\",\"pin_source\":\"file:/p\",\"so_pin_source\":\"env:X\"," \
	"\"link\":{\"kind\":\"tls\",\"address\":\"[::1]:41234\",\"certificate\":\"" HEX64 "\"}},\n" \
	"{\"name\":\"p2\",\"link\":{\"module\":\"/lib/y.so\",\"environment\":{\"CONF\":\"/etc/y\"}}}]}]"
#define DOCUMENT_GROUPS                                                                            \
	",\"groups\":[\n"                                                                          \
	"{\"name\":\"g\",\"serial\":\"0123456789abcdef\",\"domain\":\"00ff\",\"pin_source\":\"prompt:\"," \
	"\"policy\":{\"min_members\":2,\"min_datacenters\":2,\"connect_ms\":5,\"allow_unreplicated\":true}," \
	"\"members\":[\n"                                                                          \
	"{\"device\":\"a\",\"epoch\":3},\n"                                                        \
	"{\"device\":\"b\",\"partition\":\"p1\",\"role\":\"standby\",\"transport\":\"" HEX64 "\"}]}]"

static const char document[] = DOCUMENT_DATACENTERS DOCUMENT_DEVICES DOCUMENT_GROUPS "}\n";

#endif
