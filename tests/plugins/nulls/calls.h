/* calls: each function of <sup/plugin.h> with each pointer NULL that must not
 * be. X(function, parameter, call) */
#pragma once

#define NULL_CALLS(X)                                                          \
	X(sup_register, p, sup_register(NULL, &offer))                         \
	X(sup_register, offered, sup_register(p, NULL))                        \
	X(sup_replace_offers, p, sup_replace_offers(NULL, change, NULL, NULL)) \
	X(sup_replace_offers, change, sup_replace_offers(p, NULL, NULL, NULL)) \
	X(sup_withdraw, p, sup_withdraw(NULL, NULL, NULL))                     \
	X(sup_withdraw, name, sup_withdraw(p, "tool", NULL))                   \
	X(sup_http, p, sup_http(NULL, "GET", "/x", nothing, NULL))             \
	X(sup_tool, p, sup_tool(NULL, "x", NULL, NULL, nothing, NULL))         \
	X(sup_command, p, sup_command(NULL, "x", NULL, nothing, NULL))         \
	X(sup_method, p, sup_method(NULL, "x", nothing, NULL))                 \
	X(sup_health, p, sup_health(NULL, nothing, NULL))                      \
	X(sup_id, p, sup_id(NULL))                                             \
	X(sup_generation, p, sup_generation(NULL))                             \
	X(sup_version, p, sup_version(NULL))                                   \
	X(sup_data_dir, p, sup_data_dir(NULL))                                 \
	X(sup_loop, p, sup_loop(NULL))                                         \
	X(sup_ready, p, sup_ready(NULL))                                       \
	X(sup_log, p, sup_log(NULL, SUP_INFO, "x"))                            \
	X(sup_log, format, sup_log(p, SUP_INFO, NULL))                         \
	X(sup_setting_string, p, sup_setting_string(NULL, "x", NULL))          \
	X(sup_setting_string, path, sup_setting_string(p, NULL, NULL))         \
	X(sup_setting_int, p, sup_setting_int(NULL, "x", 0))                   \
	X(sup_setting_int, path, sup_setting_int(p, NULL, 0))                  \
	X(sup_setting_bool, p, sup_setting_bool(NULL, "x", false))             \
	X(sup_setting_bool, path, sup_setting_bool(p, NULL, false))            \
	X(sup_settings_json, p, sup_settings_json(NULL))                       \
	X(sup_state, p, sup_state(NULL, 1, NULL, NULL, NULL))                  \
	X(sup_reply_state, req, sup_reply_state(NULL, "x", 1))                 \
	X(sup_reply_state, bytes, sup_reply_state(req, NULL, 1))               \
	X(sup_req_state, req, sup_req_state(NULL, NULL, NULL))                 \
	X(sup_on_configure, p, sup_on_configure(NULL, NULL, NULL))             \
	X(sup_call, p, sup_call(NULL, "tool", "x", NULL, 0, done, NULL))       \
	X(sup_call, kind, sup_call(p, NULL, "x", NULL, 0, done, NULL))         \
	X(sup_call, name, sup_call(p, "tool", NULL, NULL, 0, done, NULL))      \
	X(sup_call, done, sup_call(p, "tool", "x", NULL, 0, NULL, NULL))       \
	X(sup_req_call, req,                                                   \
		sup_req_call(NULL, "tool", "x", NULL, 0, done, p))             \
	X(sup_req_call, kind, sup_req_call(req, NULL, "x", NULL, 0, done, p))  \
	X(sup_req_call, name,                                                  \
		sup_req_call(req, "tool", NULL, NULL, 0, done, p))             \
	X(sup_req_call, done,                                                  \
		sup_req_call(req, "tool", "x", NULL, 0, NULL, p))              \
	X(sup_req_emit, req, sup_req_emit(NULL, "x.y", NULL))                  \
	X(sup_req_emit, event, sup_req_emit(req, NULL, NULL))                  \
	X(sup_emit, p, sup_emit(NULL, "x.y", NULL))                            \
	X(sup_emit, event, sup_emit(p, NULL, NULL))                            \
	X(sup_post, p, sup_post(NULL, fn, NULL))                               \
	X(sup_post, fn, sup_post(p, NULL, NULL))                               \
	X(sup_req_plugin, req, sup_req_plugin(NULL))                           \
	X(sup_req_method, req, sup_req_method(NULL))                           \
	X(sup_req_path, req, sup_req_path(NULL))                               \
	X(sup_req_query, req, sup_req_query(NULL))                             \
	X(sup_req_peer, req, sup_req_peer(NULL))                               \
	X(sup_req_body, req, sup_req_body(NULL, NULL))                         \
	X(sup_req_time_left_ms, req, sup_req_time_left_ms(NULL))               \
	X(sup_req_name, req, sup_req_name(NULL))                               \
	X(sup_req_text, req, sup_req_text(NULL))                               \
	X(sup_req_args_json, req, sup_req_args_json(NULL))                     \
	X(sup_req_caller_json, req, sup_req_caller_json(NULL))                 \
	X(sup_req_header_at, req, sup_req_header_at(NULL, 0, NULL, NULL))      \
	X(sup_req_param, req, sup_req_param(NULL, "x"))                        \
	X(sup_req_param, name, sup_req_param(req, NULL))                       \
	X(sup_req_header, req, sup_req_header(NULL, "x"))                      \
	X(sup_req_header, name, sup_req_header(req, NULL))                     \
	X(sup_req_arg_string, req, sup_req_arg_string(NULL, "x", NULL))        \
	X(sup_req_arg_string, path, sup_req_arg_string(req, NULL, NULL))       \
	X(sup_req_arg_int, req, sup_req_arg_int(NULL, "x", 0))                 \
	X(sup_req_arg_int, path, sup_req_arg_int(req, NULL, 0))                \
	X(sup_req_arg_bool, req, sup_req_arg_bool(NULL, "x", false))           \
	X(sup_req_arg_bool, path, sup_req_arg_bool(req, NULL, false))          \
	X(sup_on_body, req, sup_on_body(NULL, NULL, NULL))                     \
	X(sup_pause, req, sup_pause(NULL))                                     \
	X(sup_resume, req, sup_resume(NULL))                                   \
	X(sup_reply_header, req, sup_reply_header(NULL, "x", "x"))             \
	X(sup_reply_header, name, sup_reply_header(req, NULL, "x"))            \
	X(sup_reply_header, value, sup_reply_header(req, "x", NULL))           \
	X(sup_reply, req, sup_reply(NULL, 200, NULL, "x", 1))                  \
	X(sup_reply, body, sup_reply(req, 200, NULL, NULL, 1))                 \
	X(sup_reply_text, req, sup_reply_text(NULL, 200, "x"))                 \
	X(sup_reply_text, format, sup_reply_text(req, 200, NULL))              \
	X(sup_json_error, p, sup_json_error(NULL))                             \
	X(sup_reply_value, req, sup_reply_value(NULL, 200, "1", 1))            \
	X(sup_reply_value, json, sup_reply_value(req, 200, NULL, 1))           \
	X(sup_reply_json, req, sup_reply_json(NULL, 200, "x"))                 \
	X(sup_reply_json, format, sup_reply_json(req, 200, NULL))              \
	X(sup_ok, req, sup_ok(NULL))                                           \
	X(sup_fail, req, sup_fail(NULL, SUP_FAILED, "x"))                      \
	X(sup_fail, format, sup_fail(req, SUP_FAILED, NULL))                   \
	X(sup_reply_begin, req, sup_reply_begin(NULL, 200, NULL))              \
	X(sup_chunk, req, sup_chunk(NULL, "x", 1, false))                      \
	X(sup_chunk, body, sup_chunk(req, NULL, 1, false))                     \
	X(sup_on_writable, req, sup_on_writable(NULL, NULL, NULL))             \
	X(sup_req_is_cancelled, req, sup_req_is_cancelled(NULL))               \
	X(sup_on_cancel, req, sup_on_cancel(NULL, NULL, NULL))                 \
	X(sup_channel, p, sup_channel(NULL, &channel))                         \
	X(sup_channel, offer, sup_channel(p, NULL))                            \
	X(sup_channel_receive, p, sup_channel_receive(NULL, "x", &message))    \
	X(sup_channel_receive, channel,                                        \
		sup_channel_receive(p, NULL, &message))                        \
	X(sup_channel_receive, message, sup_channel_receive(p, "x", NULL))     \
	X(sup_channel_status, p,                                               \
		sup_channel_status(NULL, "x", SUP_CHANNEL_UP, "x"))            \
	X(sup_channel_status, channel,                                         \
		sup_channel_status(p, NULL, SUP_CHANNEL_UP, "x"))              \
	X(sup_channel_status, format,                                          \
		sup_channel_status(p, "x", SUP_CHANNEL_UP, NULL))              \
	X(sup_send, p, sup_send(NULL, "x", &outgoing, 0, done, NULL))          \
	X(sup_send, channel, sup_send(p, NULL, &outgoing, 0, done, NULL))      \
	X(sup_send, message, sup_send(p, "x", NULL, 0, done, NULL))            \
	X(sup_send, chat, sup_send(p, "x", &outgoing, 0, done, NULL))          \
	X(sup_act, p, sup_act(NULL, "x", &action, 0, done, NULL))              \
	X(sup_act, channel, sup_act(p, NULL, &action, 0, done, NULL))          \
	X(sup_act, action, sup_act(p, "x", NULL, 0, done, NULL))               \
	X(sup_act, chat, sup_act(p, "x", &action, 0, done, NULL))              \
	X(sup_req_cursor, req, sup_req_cursor(NULL, NULL))                     \
	X(sup_reply_cursor, req, sup_reply_cursor(NULL, "x", 1))               \
	X(sup_reply_cursor, bytes, sup_reply_cursor(req, NULL, 1))             \
	X(sup_sent, req, sup_sent(NULL, "x"))                                  \
	X(sup_sent_value, req, sup_sent_value(NULL, "{}"))                     \
	X(sup_sent_value, receipt_json, sup_sent_value(req, NULL))             \
	X(sup_not_sent, req, sup_not_sent(NULL, "x"))                          \
	X(sup_not_sent, format, sup_not_sent(req, NULL))                       \
	X(sup_retry, req, sup_retry(NULL, 1))
