#include "retry.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define AFTER_MAX_S (24 * 3600)

enum outcome
retry_judge(long status)
{
	if (status >= 200 && status < 300)
		return OUTCOME_DELIVERED;
	if (status == 408 || status == 429 || status < 200 || status >= 500)
		return OUTCOME_RETRY;
	return OUTCOME_REFUSED;
}

uint64_t
retry_pause_ms(
	unsigned failures, uint64_t least_ms, uint64_t most_ms, uint32_t random)
{
	uint64_t pause = least_ms;

	while (failures-- > 1 && pause < most_ms)
		pause *= 2;
	if (pause > most_ms)
		pause = most_ms;
	return pause / 2 + random % (pause - pause / 2 + 1);
}

uint64_t
retry_after_ms(const char *value, int64_t now_s)
{
	int64_t seconds;

	if (!value || !*value)
		return 0;
	if (strspn(value, "0123456789") == strlen(value)) {
		seconds = strlen(value) > 6 ? AFTER_MAX_S : atoll(value);
	} else {
		time_t at = curl_getdate(value, NULL);

		seconds = at < 0 ? 0 : (int64_t)at - now_s;
	}
	if (seconds <= 0)
		return 0;
	return (uint64_t)(seconds > AFTER_MAX_S ? AFTER_MAX_S : seconds) * 1000;
}
