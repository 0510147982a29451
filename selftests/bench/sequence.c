// SPDX-License-Identifier: GPL-2.0
/*
 * sequence DEV FLOWS [PCP DSCP]: does every packet of pktgen's arrive on DEV, and in its
 * flow in order?
 *
 * pktgen numbers the packets of each of its devices, of which there is one for IPv4 and
 * one for IPv6, and goes on to the next of FLOWS source ports with each packet. So of a
 * flow, which is a family and a source port, each packet has a number that is by FLOWS
 * higher than that of the one before, and what has not is late, or follows what is
 * missing. PCP, DSCP: what every packet should have.
 *
 * Says "ready RING", then for each line on its standard input, which is how many packets
 * should have arrived in all, waits for them, and says what was seen, as names and numbers;
 * then pktgen begins anew with its numbers. The kernel keeps RING packets meanwhile: who
 * sends no more than that between two lines loses none because they were not looked at.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME		256u
#define BLOCK		(1u << 20)
#define BLOCKS		128u
#define FRAMES		(BLOCKS * (BLOCK / FRAME))
#define PORTS		65536
/* Rounds of 10 ms without a packet before who is missing is given up */
#define PATIENCE	200
#define PKTGEN_MAGIC	0xbe9be955u

/*
 * struct flow - what arrived of a flow; @next: the number that is due, of the @start of
 * pktgen's that it was last seen in
 */
struct flow {
	uint32_t	next;
	uint32_t	start;
};

static struct {
	uint64_t	packets;
	/* Numbers that were passed over when they were due, and that came after all */
	uint64_t	missed;
	uint64_t	late;
	uint64_t	wrong_pcp;
	uint64_t	wrong_dscp;
	unsigned int	flows;
} seen;

static struct flow all[2][PORTS];
static uint32_t start = 1;
static uint32_t step;
static int want_pcp = -1, want_dscp = -1;

static void die(const char *what)
{
	fprintf(stderr, "sequence: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint16_t get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void count(struct flow *flow, uint32_t number)
{
	seen.packets++;
	if (flow->start != start) {
		seen.flows += !flow->start;
		flow->start = start;
		flow->next = number + step;
		return;
	}
	if (number < flow->next) {
		seen.late++;
		return;
	}
	seen.missed += (number - flow->next) / step;
	flow->next = number + step;
}

/* A frame; @tci: the tag that the kernel took off, or -1. Foreign ones do not count. */
static void look(const unsigned char *p, size_t len, int tci)
{
	const unsigned char *end = p + len;
	int dscp, family;
	uint16_t type;

	if (len < ETH_HLEN)
		return;
	type = get16(p + 12);
	p += ETH_HLEN;
	if (type == ETH_P_8021Q && end - p >= 4) {
		tci = get16(p);
		type = get16(p + 2);
		p += 4;
	}
	if (type == ETH_P_IP && end - p >= 20 && p[0] == 0x45 && p[9] == IPPROTO_UDP) {
		family = 0;
		dscp = p[1] >> 2;
		p += 20;
	} else if (type == ETH_P_IPV6 && end - p >= 40 && p[6] == IPPROTO_UDP) {
		family = 1;
		dscp = get16(p) >> 6 & 0x3f;
		p += 40;
	} else {
		return;
	}
	/* UDP's header; pktgen's: a magic number, then that of the packet */
	if (end - p < 16 || get32(p + 8) != PKTGEN_MAGIC)
		return;
	count(&all[family][get16(p)], get32(p + 12));
	if (want_pcp >= 0 && (tci < 0 ? 0 : tci >> 13) != want_pcp)
		seen.wrong_pcp++;
	if (want_dscp >= 0 && dscp != want_dscp)
		seen.wrong_dscp++;
}

static int open_ring(const char *dev, unsigned char **ring)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(dev),
	};
	struct tpacket_req req = {
		.tp_block_size = BLOCK,
		.tp_block_nr = BLOCKS,
		.tp_frame_size = FRAME,
		.tp_frame_nr = FRAMES,
	};
	int fd, version = TPACKET_V2;

	if (!addr.sll_ifindex)
		die(dev);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		die("no ring");
	/* A first look at each page would take long. */
	*ring = mmap(NULL, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, fd, 0);
	if (*ring == MAP_FAILED)
		die("no ring");
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die(dev);
	return fd;
}

/* All that is in the ring */
static void drain(unsigned char *ring)
{
	static unsigned int at;
	struct tpacket2_hdr *hdr;
	int tci;

	for (;; at = (at + 1) % FRAMES) {
		hdr = (void *)(ring + (size_t)at * FRAME);
		/* The kernel writes the frame before it says so. */
		if (!(__atomic_load_n(&hdr->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			return;
		tci = hdr->tp_status & TP_STATUS_VLAN_VALID ? hdr->tp_vlan_tci : -1;
		look((unsigned char *)hdr + hdr->tp_mac, hdr->tp_snaplen, tci);
		/* It is the kernel's again after what was read of it. */
		__atomic_store_n(&hdr->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	}
}

static void tell(int fd)
{
	static uint64_t unread;
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	/* Reading it sets it to 0. */
	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
		die("no statistics");
	unread += stats.tp_drops;
	printf("packets %llu flows %u missed %llu late %llu pcp %llu dscp %llu unread %llu\n",
	       (unsigned long long)seen.packets, seen.flows,
	       (unsigned long long)seen.missed, (unsigned long long)seen.late,
	       (unsigned long long)seen.wrong_pcp, (unsigned long long)seen.wrong_dscp,
	       (unsigned long long)unread);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned long long wanted;
	unsigned char *ring;
	uint64_t before;
	int fd, quiet;

	if ((argc != 3 && argc != 5) || atoi(argv[2]) < 1) {
		fprintf(stderr, "usage: sequence DEV FLOWS [PCP DSCP]\n");
		return 1;
	}
	step = atoi(argv[2]);
	if (argc == 5) {
		want_pcp = atoi(argv[3]);
		want_dscp = atoi(argv[4]);
	}
	fd = open_ring(argv[1], &ring);
	printf("ready %u\n", FRAMES);
	fflush(stdout);
	for (; scanf("%llu", &wanted) == 1; start++) {
		for (quiet = 0; quiet < PATIENCE; quiet++) {
			before = seen.packets;
			drain(ring);
			if (seen.packets >= wanted)
				break;
			if (seen.packets != before)
				quiet = 0;
			usleep(10000);
		}
		/* What is there twice comes behind. */
		drain(ring);
		tell(fd);
	}
	return 0;
}
