/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of hsmctl drill. */
#ifndef CMD_DRILL_VERBS_H
#define CMD_DRILL_VERBS_H

extern const struct cli_command drill_list_command;
extern const struct cli_command drill_run_command;

#endif
