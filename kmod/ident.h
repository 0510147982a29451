/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_IDENT_H
#define FTQ_IDENT_H

#include <linux/compiler.h>
#include <linux/netfilter.h>

#define FTQ_IDENT_MAX 8

/**
 * struct ftq_ident - a kind of flowtable
 * @hook: its hook function
 * @owner: module that is held while the function is known; NULL: no need to
 */
struct ftq_ident {
	nf_hookfn	*hook;
	struct module	*owner;
};

/*
 * Ended by a hook of NULL. Slots are filled from the front and never emptied
 * while a hook of ours can run, so that the packet path reads them without a
 * lock.
 */
extern struct ftq_ident ftq_idents[FTQ_IDENT_MAX + 1];

/**
 * ftq_ident_known() - is this function a flowtable's hook
 * @fn: the function of a hook entry
 *
 * Context: any.
 * Return: true if @fn was learned as a flowtable's hook function.
 */
static inline bool ftq_ident_known(nf_hookfn *fn)
{
	const struct ftq_ident *ident;
	nf_hookfn *known;

	for (ident = ftq_idents; (known = READ_ONCE(ident->hook)); ident++)
		if (known == fn)
			return true;
	return false;
}

bool ftq_ident_ops(const struct nf_hook_ops *ops);
void ftq_ident_learn(void);
void ftq_ident_init(void);
int ftq_ident_watch(void);
void ftq_ident_unwatch(void);
void ftq_ident_exit(void);

#endif /* FTQ_IDENT_H */
