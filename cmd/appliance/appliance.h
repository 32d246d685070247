/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of hsmctl appliance. */
#ifndef CMD_APPLIANCE_APPLIANCE_H
#define CMD_APPLIANCE_APPLIANCE_H

extern const struct cli_command appliance_serve_command;
extern const struct cli_command appliance_init_command;

#endif
