// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that come, go, and change.
 */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "binding.h"
#include "event.h"
#include "hook.h"
#include "learn.h"
#include "net.h"
#include "netlink.h"

/* A binding may have waited for the device. */
static void ftq_event_bind(struct ftq_net *fn, struct net_device *dev)
{
	struct ftq_binding *binding;

	binding = ftq_binding_find(&fn->bindings, dev->name);
	if (!binding || binding->any || binding->dev ||
	    ftq_binding_refusal(dev))
		return;
	binding->dev = dev;
}

static void ftq_event_gone(struct ftq_net *fn, struct net_device *dev)
{
	struct ftq_binding *binding = ftq_binding_of_dev(fn, dev);

	ftq_hook_forget_dev(fn, dev);
	if (binding)
		binding->dev = NULL;
	ftq_flows_forget_dev(&fn->flows, dev->ifindex);
	ftq_hook_recheck(fn);
}

static void ftq_event_renamed(struct ftq_net *fn, struct net_device *dev)
{
	struct ftq_binding *binding = ftq_binding_of_dev(fn, dev);
	struct ftq_binding *other;

	if (!binding) {
		ftq_event_bind(fn, dev);
		return;
	}

	/* That name is never a device's: as if the device had gone. */
	if (!strcmp(dev->name, FTQ_ANY)) {
		binding->dev = NULL;
		return;
	}

	/* Two bindings cannot have one name: that of the device stays. */
	other = ftq_binding_find(&fn->bindings, dev->name);
	if (other && other != binding && !other->dev && !other->any) {
		list_del(&other->list);
		fn->nr_bindings--;
		ftq_nl_notify_dev(fn, other, NF_FLOW_QOS_CMD_DEV_DEL_NTF);
		ftq_binding_free(other);
	}

	ftq_nl_notify_dev(fn, binding, NF_FLOW_QOS_CMD_DEV_DEL_NTF);
	strscpy(binding->name, dev->name, sizeof(binding->name));
	ftq_net_changed(fn);
	ftq_nl_notify_dev(fn, binding, NF_FLOW_QOS_CMD_DEV_SET_NTF);
}

static int ftq_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct ftq_net *fn = ftq_net(dev_net(dev));
	struct netdev_notifier_changeupper_info *upper = ptr;

	if (fn->dead)
		return NOTIFY_DONE;

	switch (event) {
	case NETDEV_REGISTER:
		ftq_event_bind(fn, dev);
		ftq_hook_sync_dev(fn, dev);
		break;
	case NETDEV_UNREGISTER:
		ftq_event_gone(fn, dev);
		break;
	case NETDEV_CHANGENAME:
		ftq_event_renamed(fn, dev);
		ftq_hook_sync_dev(fn, dev);
		break;
	case NETDEV_CHANGEUPPER:
		ftq_hook_sync_dev(fn, dev);
		if (net_eq(dev_net(upper->upper_dev), fn->net))
			ftq_hook_sync_dev(fn, upper->upper_dev);
		break;
	case NETDEV_UP:
	case NETDEV_DOWN:
		/* A PPP session is known while its device is up. */
		ftq_hook_recheck(fn);
		break;
	default:
		return NOTIFY_DONE;
	}
	fn->moves++;
	ftq_bindings_tell(fn);
	return NOTIFY_DONE;
}

static struct notifier_block ftq_event_nb = {
	.notifier_call	= ftq_event,
	/* Behind nf_tables, so that flowtables' hooks of the device are gone. */
	.priority	= -100,
};

/**
 * ftq_event_init() - begin to watch devices
 *
 * Return: 0 or the error of the notifier.
 */
int ftq_event_init(void)
{
	return register_netdevice_notifier(&ftq_event_nb);
}

/**
 * ftq_event_exit() - watch no more
 */
void ftq_event_exit(void)
{
	unregister_netdevice_notifier(&ftq_event_nb);
}
