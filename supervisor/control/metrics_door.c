/* metrics_door: clients: of HTTP, of /ws, of the control socket and in chats.
 */
#include "supervisor/control/metrics_parts.h"

FIGURE(connections, v->g->edge.connections)
FIGURE(connections_accepted, v->g->edge.accepted)
FIGURE(connections_evicted, v->g->edge.evicted)
FIGURE(connections_turned_away, v->g->edge.turned_away)
FIGURE(connections_too_slow, v->g->edge.too_slow)
FIGURE(requests, v->g->edge.requests)

static void
refused(const struct figures *v)
{
	static const char *const names[] = {
#define X(name, text, status) [GATEWAY_REFUSED_##name] = text,
		GATEWAY_REFUSALS(X)
#undef X
	};

	figures_put_each(
		v, "reason", names, v->g->edge.refused, GATEWAY_REFUSAL_COUNT);
}

FIGURE(sessions, v->g->edge.sessions)

static void
sessions_closed(const struct figures *v)
{
	static const char *const names[] = {
#define X(name, label) [GATEWAY_SESSION_##name] = label,
		GATEWAY_SESSION_ENDS(X)
#undef X
	};

	figures_put_each(v, "reason", names, v->g->edge.sessions_ended,
		GATEWAY_SESSION_END_COUNT);
}

FIGURE(control_sessions, v->g->control.sessions)

static void
control_closed(const struct figures *v)
{
	static const char *const names[] = {
#define X(name, label, text) [GATEWAY_CONTROL_##name] = label,
		GATEWAY_CONTROL_ENDS(X)
#undef X
	};

	figures_put_each(v, "reason", names, v->g->control.ended,
		GATEWAY_CONTROL_END_COUNT);
}

static void
chat_commands(const struct figures *v)
{
	for (int i = 0; i < OUTCOME_COUNT; i++)
		figures_put_labelled(v, "outcome", outcome_rows[i].text,
			(double)v->g->chat.commands[i]);
}

FIGURE(chat_unanswered, v->g->chat.unanswered)

static void
chat_notices(const struct figures *v)
{
	static const char *const names[] = {
#define X(name, label) [GATEWAY_NOTICE_##name] = label,
		GATEWAY_NOTICE_ENDS(X)
#undef X
	};

	figures_put_each(v, "result", names, v->g->chat.notices,
		GATEWAY_NOTICE_END_COUNT);
}

static const struct metrics_row rows[] = {
	{"supd_http_connections", METRICS_GAUGE,
		"HTTP connections that are open.", connections},
	{"supd_http_connections_accepted_total", METRICS_COUNTER,
		"HTTP connections accepted.", connections_accepted},
	{"supd_http_connections_evicted_total", METRICS_COUNTER,
		"Idle HTTP connections closed to make room for others.",
		connections_evicted},
	{"supd_http_connections_turned_away_total", METRICS_COUNTER,
		"HTTP connections closed at once because none was idle.",
		connections_turned_away},
	{"supd_http_connections_too_slow_total", METRICS_COUNTER,
		"HTTP connections cut because the client took too little of an "
		"answer within write_timeout.",
		connections_too_slow},
	{"supd_http_requests_total", METRICS_COUNTER, "HTTP requests received.",
		requests},
	{"supd_http_requests_refused_total", METRICS_COUNTER,
		"HTTP requests refused before they reached a plugin.", refused},
	{"supd_sessions", METRICS_GAUGE, "Sessions at /ws that are open.",
		sessions},
	{"supd_sessions_closed_total", METRICS_COUNTER,
		"Sessions at /ws that ended, by reason.", sessions_closed},
	{"supd_control_sessions", METRICS_GAUGE,
		"Sessions of the control socket that are open.",
		control_sessions},
	{"supd_control_sessions_closed_total", METRICS_COUNTER,
		"Sessions of the control socket that supd closed or refused.",
		control_closed},
	{"supd_chat_commands_total", METRICS_COUNTER,
		"Built-in commands of chats, by outcome.", chat_commands},
	{"supd_chat_unanswered_total", METRICS_COUNTER,
		"Built-in commands of chats without an answer, because too "
		"many waited to be sent.",
		chat_unanswered},
	{"supd_chat_notices_total", METRICS_COUNTER,
		"Notices for the chats of admin.notify, by what became of "
		"them.",
		chat_notices},
};
const struct metrics_group metrics_door = METRICS_GROUP(rows);
