// SPDX-License-Identifier: GPL-2.0
/*
 * nf_flow_qos: QoS for flows that the netfilter flowtable forwards.
 */
#include <linux/module.h>
#include <uapi/linux/nf_flow_qos.h>

#include "event.h"
#include "flow.h"
#include "hook.h"
#include "ident.h"
#include "net.h"
#include "netlink.h"

static int __init ftq_init(void)
{
	int err;

	err = ftq_flow_init();
	if (err)
		return err;

	ftq_ident_init();

	err = ftq_net_init();
	if (err)
		goto exit_ident;
	err = ftq_event_init();
	if (err)
		goto exit_net;
	err = ftq_ident_watch();
	if (err)
		goto exit_event;
	err = ftq_nl_init();
	if (err)
		goto exit_watch;
	return 0;

exit_watch:
	ftq_ident_unwatch();
	ftq_hook_exit();
exit_event:
	ftq_event_exit();
exit_net:
	ftq_net_exit();
exit_ident:
	ftq_ident_exit();
	ftq_flow_exit();
	return err;
}

/*
 * First nobody can configure any more, then all hooks go and none can come,
 * then nobody tells of devices and modules any more. ftq_net_exit() waits for
 * packets that still are in our hooks and frees what these saw. What was given
 * to RCU until then is freed before the code goes.
 */
static void __exit ftq_exit(void)
{
	ftq_nl_exit();
	ftq_net_stop();
	ftq_ident_unwatch();
	ftq_hook_exit();
	ftq_event_exit();
	ftq_net_exit();
	synchronize_net();
	ftq_ident_exit();
	ftq_flow_exit();
}

module_init(ftq_init);
module_exit(ftq_exit);

MODULE_DESCRIPTION("QoS for flows that the netfilter flowtable forwards");
MODULE_LICENSE("GPL");
MODULE_VERSION(FTQ_VERSION);
MODULE_ALIAS_GENL_FAMILY(NF_FLOW_QOS_FAMILY_NAME);
/* So that its hook function is known when the first flowtable is bound. */
MODULE_SOFTDEP("pre: nf_flow_table_inet");
