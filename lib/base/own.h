/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own - locals that free what they own when they go out of scope.
 *
 *	owned(fleet) struct fleet *f = NULL;
 *
 * frees f with fleet_free() at the end of the block. Ownership is handed over
 * once, with own_take(). OWN_DEFINE(x) stands in the header of x, behind
 * x_free(), which accepts NULL; OWN_DEFINE_RELEASE(x) serves structs that are
 * embedded and have x_release().
 */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#define owned(name) __attribute__((cleanup(own_##name)))

#define OWN_DEFINE(name)                                                       \
	static inline void own_##name(struct name **p)                         \
	{                                                                      \
		name##_free(*p);                                               \
	}

#define OWN_DEFINE_RELEASE(name)                                               \
	static inline void own_##name(struct name *p)                          \
	{                                                                      \
		name##_release(p);                                             \
	}

/* The value of a pointer local, which then owns nothing any more. */
#define own_take(p)                                                            \
	({                                                                     \
		__typeof__(p) own_taken_ = (p);                                \
		(p) = NULL;                                                    \
		own_taken_;                                                    \
	})

#endif
