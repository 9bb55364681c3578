/* hooks: the part of the scenario about events. */
#pragma once

#include <sup/plugin.h>

int offer_hooks(struct sup *p);
