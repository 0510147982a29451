// SPDX-License-Identifier: GPL-2.0
/*
 * Which hook functions are flowtables'.
 *
 * Newer kernels say it in the hook itself (NF_HOOK_OP_NFT_FT). On the others
 * the IPv4 and the IPv6 function are exported symbols, and the function for
 * both families is found through the list of flowtable types that nf_tables
 * keeps: a type of our own is linked into it, under a family that no table can
 * have, and the list is walked from there.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rcupdate.h>
#include <net/netfilter/nf_flow_table.h>
#include <net/netfilter/nf_tables.h>

#include "hook.h"
#include "ident.h"

struct ftq_ident ftq_idents[FTQ_IDENT_MAX + 1] __read_mostly;

/* Protects the writing of ftq_idents. */
static DEFINE_SPINLOCK(ftq_ident_lock);

static void ftq_ident_add(nf_hookfn *fn, struct module *owner)
{
	int i;

	spin_lock(&ftq_ident_lock);
	for (i = 0; i < FTQ_IDENT_MAX; i++)
		if (!ftq_idents[i].hook || ftq_idents[i].hook == fn)
			break;

	if (i == FTQ_IDENT_MAX) {
		pr_warn_once("more than %d kinds of flowtables, those beyond are not classified\n",
			     FTQ_IDENT_MAX);
	} else if (!ftq_idents[i].hook && (!owner || try_module_get(owner))) {
		/* Without the module: it is on its way out, or not yet live. */
		ftq_idents[i].owner = owner;
		WRITE_ONCE(ftq_idents[i].hook, fn);
	}
	spin_unlock(&ftq_ident_lock);
}

#ifdef FTQ_HAVE_NFT_FT

/**
 * ftq_ident_ops() - is this hook a flowtable's
 * @ops: a registered hook
 *
 * Remembers its function for the packet path.
 *
 * Context: RCU.
 * Return: true if the packet path may call the hook as a flowtable.
 */
bool ftq_ident_ops(const struct nf_hook_ops *ops)
{
	const struct nf_flowtable *flowtable = ops->priv;

	if (ops->hook_ops_type != NF_HOOK_OP_NFT_FT)
		return false;

	/*
	 * The packet path goes by the function alone, and takes what its hooks have as
	 * priv for a flowtable: no other module's function may come to stand there. The
	 * flowtable is freed a grace period after its hooks are gone.
	 */
	ftq_ident_add(ops->hook, flowtable->type->owner);
	return ftq_ident_known(ops->hook);
}

/**
 * ftq_ident_learn() - nothing to learn: hooks say what they are
 */
void ftq_ident_learn(void)
{
}

#else /* !FTQ_HAVE_NFT_FT */

/**
 * ftq_ident_ops() - is this hook a flowtable's
 * @ops: a registered hook
 *
 * Context: RCU.
 * Return: true if the packet path may call the hook as a flowtable.
 */
bool ftq_ident_ops(const struct nf_hook_ops *ops)
{
	return ftq_ident_known(ops->hook);
}

/* Serializes the linking of ftq_ident_type. */
static DEFINE_MUTEX(ftq_ident_mutex);

/* No address family has this number, so no flowtable is ever of this type. */
#define FTQ_IDENT_FAMILY 0xff

static unsigned int ftq_ident_accept(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	return NF_ACCEPT;
}

static struct nf_flowtable_type ftq_ident_type = {
	.family	= FTQ_IDENT_FAMILY,
	.hook	= ftq_ident_accept,
	.owner	= THIS_MODULE,
};

/*
 * Learn all types between our own, which is linked in, and the list's head. That of
 * both families is the last one, and first of those that packets are compared with.
 */
static void ftq_ident_walk(const struct list_head *head)
{
	struct nf_flowtable_type *type;

	list_for_each_entry_reverse(type, head, list)
		if (type != &ftq_ident_type && type->hook)
			ftq_ident_add(type->hook, type->owner);
}

/**
 * ftq_ident_learn() - learn the hook functions of all flowtable types
 *
 * A type is appended to the list, so what follows ours is the list's head or a
 * type that was registered since. Only an address that follows again and again is
 * the head: a type seen the first time stands before ours the next time, unless
 * it was taken out and came back to the same address meanwhile.
 *
 * Context: process, may sleep; not under RTNL, since the lock of nf_tables is
 * taken, under which RTNL may be.
 */
void ftq_ident_learn(void)
{
	struct list_head *next, *last = NULL;
	int tries, same = 0;

	mutex_lock(&ftq_ident_mutex);
	for (tries = 0; tries < 16; tries++) {
		nft_register_flowtable_type(&ftq_ident_type);

		nfnl_lock(NFNL_SUBSYS_NFTABLES);
		next = ftq_ident_type.list.next;
		same = next == last ? same + 1 : 0;
		if (same == 2)
			ftq_ident_walk(next);
		nfnl_unlock(NFNL_SUBSYS_NFTABLES);

		nft_unregister_flowtable_type(&ftq_ident_type);
		/* Readers of the list may still stand on our entry. */
		synchronize_rcu();

		if (same == 2)
			break;
		last = next;
	}
	mutex_unlock(&ftq_ident_mutex);
}

#endif /* FTQ_HAVE_NFT_FT */

static int ftq_ident_module_event(struct notifier_block *nb,
				  unsigned long event, void *data)
{
	if (event == MODULE_STATE_LIVE)
		ftq_hook_relearn();
	return NOTIFY_DONE;
}

static struct notifier_block ftq_ident_module_nb = {
	.notifier_call = ftq_ident_module_event,
};

/**
 * ftq_ident_init() - learn the flowtables' hook functions
 */
void ftq_ident_init(void)
{
	ftq_ident_learn();

	/* These two are symbols, so their module cannot go before ours. */
	ftq_ident_add(nf_flow_offload_ip_hook, NULL);
	ftq_ident_add(nf_flow_offload_ipv6_hook, NULL);
}

/**
 * ftq_ident_watch() - begin to watch for modules with more of them
 *
 * Return: 0 or the error of the notifier.
 */
int ftq_ident_watch(void)
{
	return register_module_notifier(&ftq_ident_module_nb);
}

/**
 * ftq_ident_unwatch() - watch no more
 */
void ftq_ident_unwatch(void)
{
	unregister_module_notifier(&ftq_ident_module_nb);
}

/**
 * ftq_ident_exit() - forget the functions and let their modules go
 *
 * No hook of ours is running any more.
 */
void ftq_ident_exit(void)
{
	int i;

	for (i = 0; i < FTQ_IDENT_MAX; i++) {
		ftq_idents[i].hook = NULL;
		module_put(ftq_idents[i].owner);
		ftq_idents[i].owner = NULL;
	}
}
