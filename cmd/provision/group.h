/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_PROVISION_GROUP_H
#define CMD_PROVISION_GROUP_H

extern const struct cli_group provision_group;

#endif
