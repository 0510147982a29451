/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FTQ_IDENT_H
#define FTQ_IDENT_H

#include <linux/compiler.h>
#include <linux/netfilter.h>

#define FTQ_IDENT_MAX 8

/*
 * Hook functions of flowtables, ended by NULL. Slots are filled from the front
 * and never emptied while a hook of ours can run, so that the packet path reads
 * them without a lock.
 */
extern nf_hookfn *ftq_ident_hooks[FTQ_IDENT_MAX + 1];

/**
 * ftq_ident_known() - is this function a flowtable's hook
 * @fn: the function of a hook entry
 *
 * Context: any.
 * Return: true if @fn was learned as a flowtable's hook function.
 */
static inline bool ftq_ident_known(nf_hookfn *fn)
{
	nf_hookfn *known;
	int i;

	for (i = 0; (known = READ_ONCE(ftq_ident_hooks[i])); i++)
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
