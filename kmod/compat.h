/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kernels older than the newest lack; the rest of the module is written
 * against the newest. Guarded by name where the name is a macro.
 */
#ifndef FTQ_COMPAT_H
#define FTQ_COMPAT_H

/* This comes before all other headers. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/version.h>
#include <net/genetlink.h>

#if KERNEL_VERSION(6, 1, 0) > LINUX_VERSION_CODE
#error "nf_flow_qos needs Linux 6.1 or newer: build it for a newer kernel (KDIR=)"
#endif

#ifndef CONFIG_NETFILTER_INGRESS
#error "nf_flow_qos needs a kernel with CONFIG_NETFILTER_INGRESS, as flowtables do"
#endif

/* 6.6, "genetlink: add genlmsg_iput() API" and its series: an inline. */
#if KERNEL_VERSION(6, 6, 0) > LINUX_VERSION_CODE
static inline const struct genl_dumpit_info *
genl_info_dump(struct netlink_callback *cb)
{
	/* Only ->attrs is used of the answer, and both structures have it. */
	return genl_dumpit_info(cb);
}
#endif

/* 6.9, "Compiler Attributes: Add __uninitialized macro", and some stable releases. */
#ifndef __uninitialized
#if __has_attribute(__uninitialized__)
#define __uninitialized __attribute__((__uninitialized__))
#else
#define __uninitialized
#endif
#endif

/* 6.2, "net: remove skb->vlan_present": a bit field. */
#define FTQ_VLAN_HAS_FLAG	(KERNEL_VERSION(6, 2, 0) > LINUX_VERSION_CODE)

/*
 * 6.18, "softirq: Allow to drop the softirq-BKL lock on PREEMPT_RT": where the
 * lock is not there, BH off does not keep other tasks off this CPU.
 */
#if defined(CONFIG_PREEMPT_RT) && !defined(CONFIG_PREEMPT_RT_NEEDS_BH_LOCK) && \
	KERNEL_VERSION(6, 18, 0) <= LINUX_VERSION_CODE
#define FTQ_BH_IS_PREEMPTIBLE
#endif

/*
 * Before 6.19 a flowtable mostly sends through the VLAN or PPPoE device. Kbuild
 * asks the compiler for a function that came with the change.
 */
#ifndef FTQ_XMIT_LOWEST
#define FTQ_XMIT_LOWEST 0
#endif

#endif /* FTQ_COMPAT_H */
