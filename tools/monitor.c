// SPDX-License-Identifier: GPL-2.0
/* Events of the configuration and of flows, one a line. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model.h"
#include "out.h"

static const char *event_name(uint8_t cmd)
{
	switch (cmd) {
	case NF_FLOW_QOS_CMD_MAP_SET_NTF:
		return "map-set";
	case NF_FLOW_QOS_CMD_MAP_DEL_NTF:
		return "map-del";
	case NF_FLOW_QOS_CMD_DEV_SET_NTF:
		return "dev-set";
	case NF_FLOW_QOS_CMD_DEV_DEL_NTF:
		return "dev-del";
	case NF_FLOW_QOS_CMD_DEV_STATE_NTF:
		return "dev-state";
	case NF_FLOW_QOS_CMD_CONFIG_SET_NTF:
		return "config-set";
	case NF_FLOW_QOS_CMD_FLOW_NEW_NTF:
		return "flow-new";
	case NF_FLOW_QOS_CMD_FLOW_END_NTF:
		return "flow-end";
	}
	return NULL;
}

static void text_time(uint64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	char buf[32];
	struct tm tm;

	if (!localtime_r(&s, &tm) || !strftime(buf, sizeof(buf), "%FT%T", &tm))
		snprintf(buf, sizeof(buf), "%" PRIu64, ms / 1000);
	out_text("%s.%03u ", buf, (unsigned int)(ms % 1000));
}

static void text_event(const char *name, const struct nlmsghdr *nlh)
{
	char trust[TRUST_TEXT_MAX];
	struct limits limits;
	struct dev dev;
	struct map map;

	switch (msg_cmd(nlh)) {
	case NF_FLOW_QOS_CMD_MAP_SET_NTF:
	case NF_FLOW_QOS_CMD_MAP_DEL_NTF:
		map_decode(nlh, &map);
		out_text("%s %s\n", name, map.name);
		break;
	case NF_FLOW_QOS_CMD_CONFIG_SET_NTF:
		limits_decode(nlh, &limits);
		out_text("%s flow-limit %u flow-timeout %u\n", name, limits.flow_limit,
			 limits.flow_timeout);
		break;
	case NF_FLOW_QOS_CMD_FLOW_NEW_NTF:
	case NF_FLOW_QOS_CMD_FLOW_END_NTF:
		out_text("%s", name);
		flow_print_line(nlh);
		break;
	default:
		dev_decode(nlh, &dev);
		out_text("%s %s", name, dev.name);
		if (dev.map[0])
			out_text(" map %s trust %s scope %s", dev.map,
				 trust_text(&dev, trust, sizeof(trust)),
				 scope_name(dev.scope));
		if (dev.map[0] && dev.sticky)
			out_text(" sticky %s", sticky_name(dev.sticky));
		if (dev.state != UINT32_MAX)
			out_text(" state %s", dev_state_name(dev.state));
		if (dev.reason)
			out_text(" (%s)", dev.reason);
		out_text("\n");
		free(dev.reason);
	}
}

/* A map that was deleted has but a name; a binding is as it was. */
static void json_event(const struct nlmsghdr *nlh)
{
	struct limits limits;
	struct dev dev;
	struct map map;

	switch (msg_cmd(nlh)) {
	case NF_FLOW_QOS_CMD_MAP_SET_NTF:
		map_decode(nlh, &map);
		map_print_keys(&map);
		break;
	case NF_FLOW_QOS_CMD_MAP_DEL_NTF:
		map_decode(nlh, &map);
		out_str("name", NULL, map.name);
		break;
	case NF_FLOW_QOS_CMD_CONFIG_SET_NTF:
		limits_decode(nlh, &limits);
		limits_print_keys(&limits);
		break;
	case NF_FLOW_QOS_CMD_FLOW_NEW_NTF:
	case NF_FLOW_QOS_CMD_FLOW_END_NTF:
		flow_print_keys(nlh);
		break;
	default:
		dev_decode(nlh, &dev);
		dev_print_keys(&dev);
		free(dev.reason);
	}
}

static int event(const struct nlmsghdr *nlh, void *data)
{
	const char *name = event_name(msg_cmd(nlh));
	struct timespec now;
	uint64_t ms;

	(void)data;
	if (!name)
		return ST_OK;
	clock_gettime(CLOCK_REALTIME, &now);
	flow_devices_changed();
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	out_begin();
	if (opts.json) {
		out_record();
		out_str("event", NULL, name);
		out_ms("time", ms);
		json_event(nlh);
		out_record_end();
	} else {
		text_time(ms);
		text_event(name, nlh);
	}
	return out_end();
}

int monitor(int argc, char **argv)
{
	bool flows = argc && !strcmp(argv[0], "flows");
	int ret;

	ret = no_more(argc - flows, argv + flows);
	if (ret)
		return ret;
	/* One object a line: that is what a reader of a stream can work with. */
	opts.pretty = false;
	ret = nl_join("config");
	if (!ret && flows)
		ret = nl_join("flows");
	return ret ? ret : nl_listen(event, NULL);
}
