/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What cppcheck has to know of the kernel, whose headers it is not shown: what begins a
 * loop, and what is no type. What ftq_any() gives may be anything, or nothing.
 */
void *ftq_any(const void *from);

#define FTQ_EACH(pos, from) \
	for ((pos) = ftq_any(from); (pos); (pos) = ftq_any(pos))
#define FTQ_EACH_SAFE(pos, next, from) \
	for ((pos) = ftq_any(from); (pos) && ((next) = ftq_any(pos), 1); (pos) = (next))

#define for_each_net(net)				FTQ_EACH(net, 0)
#define for_each_netdev(net, dev)			FTQ_EACH(dev, net)
#define for_each_possible_cpu(cpu)			for ((cpu) = 0; (cpu) < 8; (cpu)++)
#define hlist_for_each_entry(pos, head, node)		FTQ_EACH(pos, head)
#define hlist_for_each_entry_rcu(pos, head, node, cond)	FTQ_EACH(pos, head)
#define hlist_for_each_entry_safe(pos, next, head, node) FTQ_EACH_SAFE(pos, next, head)
#define list_for_each_entry(pos, head, node)		FTQ_EACH(pos, head)
#define list_for_each_entry_reverse(pos, head, node)	FTQ_EACH(pos, head)
#define list_for_each_entry_safe(pos, next, head, node)	FTQ_EACH_SAFE(pos, next, head)
#define netdev_for_each_lower_dev(dev, pos, iter)	FTQ_EACH(pos, iter = ftq_any(dev))
#define netdev_for_each_upper_dev_rcu(dev, pos, iter)	FTQ_EACH(pos, iter = ftq_any(dev))
#define nla_for_each_attr(pos, head, len, rem) \
	for ((pos) = (head), (rem) = (len); (rem) > 0; (pos) = ftq_any(pos), (rem) -= 4)
#define xa_for_each(xa, index, pos) \
	for ((index) = 0, (pos) = ftq_any(xa); (pos); (pos) = ftq_any(&(index)))

#define __always_inline
#define __exit
#define __init
#define __net_exit
#define __net_init
#define __percpu
#define __rcu
#define __read_mostly
#define __ro_after_init
#define __uninitialized
#define noinline
