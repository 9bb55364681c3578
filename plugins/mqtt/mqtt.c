/* mqtt: a channel that is a client of an MQTT broker: what is published on its
 * topics comes in, and what is sent is published. plugin.yaml lists the
 * settings.
 *
 *   link.c      a connection, and when its messages are acknowledged
 *   session.c   what outlives a worker
 *   inbound.c   messages on their way to supd
 *   sends.c     messages on their way to the broker
 *   channel.c   connects, and connects again
 *   rotate.c    other settings without a reload
 */
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sup/plugin.h>

#include "channel.h"
#include "rotate.h"

static struct channel channel;

static int
init(struct sup *p)
{
	struct settings *settings = malloc(sizeof(*settings));
	char why[256];

	if (settings_read(settings, sup_settings_json(p), why)) {
		fprintf(stderr, "mqtt: %s\n", why);
		return SUP_FAILED_TO_START;
	}
	mosquitto_lib_init();
	channel_init(&channel, p, settings);
	sup_on_configure(p, rotate, &channel);
	return channel_register(&channel);
}

SUP_PLUGIN("mqtt", "1.0.0", init)
