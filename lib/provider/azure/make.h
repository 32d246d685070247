/* SPDX-License-Identifier: Apache-2.0 */
/* make - making the resources of a layout exist, in the order that they need each other. */
#ifndef PROVIDER_AZURE_MAKE_H
#define PROVIDER_AZURE_MAKE_H

#include "provider/azure/layout.h"
#include "provider/azure/session.h"

/*
 * Each resource is looked at first: what is there as it should be is left alone, what is being made is
 * waited for, tags are set right, only what is missing is made. fleet is the layout's, whose devices are
 * filled in and recorded as they come to be. May be repeated.
 */
int azure_make(struct azure_session *session, const struct azure_layout *layout, struct fleet *fleet,
	       struct provider_step *step, struct err *err);

#endif
