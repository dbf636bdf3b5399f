//! The HTTP caching RFCs, section by section: where each is done, and which test shows it.
//!
//! Functions are named by their modules, which are private: `policy::ttl` is `src/policy/ttl.rs`.
//! Tests without a file stand beside the function; others name theirs.
//!
//! # RFC 9111, HTTP caching
//!
//! | section | function | test |
//! |---|---|---|
//! | §3 what may be stored | `policy::storable::storable`, `policy::codes` | `nothing_wins_over_what_forbids_storing`, `each_status_is_stored_for_its_own_reasons`; storing: `what_forbids_storing_is_obeyed`, `what_allows_storing_is_used` |
//! | §3.1 which fields | `policy::hops::strip_hop_by_hop` | `fields_of_the_connection_are_not_stored`; storing: `duplicates_and_bytes_that_are_no_text_are_kept_on_hits` |
//! | §3.2 updating a stored head | `policy::freshen::freshen` | `fields_of_the_update_take_the_place_of_those_stored` |
//! | §3.3 incomplete responses | `http::fill`, `policy::permission`, `policy::ranges` | storing: `a_body_shorter_or_longer_than_its_length_is_never_a_hit`; freshness: `a_part_is_never_stored`; `proxy_cache`: `a_part_answers_for_what_it_holds`; `proxy_content`: `content_that_breaks_off_breaks_off_and_is_not_stored` |
//! | §3.4 combining parts | `policy::combine::combine`, `http::part` | `parts_that_touch_make_a_larger_one`, `parts_that_may_be_of_different_contents_are_not_combined`; parts: `parts_of_one_strong_validator_answer_as_one_and_make_the_whole`; `proxy_content`: `parts_make_the_whole_once_all_of_it_came` |
//! | §3.5 credentials | `policy::admit::admit`, `policy::permission`, `policy::reuse` | `answers_to_credentials_are_stored_only_if_marked_for_everybody`; credentials: `with_credentials_nothing_is_looked_up_or_stored` |
//! | §4 answering from the store | `policy::reuse::reuse` | `an_entry_is_fresh_until_its_lifetime_ends`; differential: `what_answers_a_request_is_as_others_have_it` |
//! | §4.1 `Vary` | `policy::vary::fields`, `policy::normal::normalise` | `all_lines_count_and_a_star_anywhere_forbids`; varying: `each_encoding_has_an_answer_of_its_own`, `of_several_answers_that_match_the_newest_is_given`, `spellings_of_one_encoding_share_an_answer`, `of_too_many_variants_of_a_key_the_oldest_go` |
//! | §4.2.1 lifetime | `policy::ttl::fresh_for` | `the_first_that_applies_decides`; differential: `what_is_stored_and_for_how_long_is_as_others_have_it` |
//! | §4.2.2 heuristics | `policy::ttl` | `a_tenth_of_the_time_since_it_was_modified_is_guessed_where_that_is_allowed` |
//! | §4.2.3 age | `policy::ttl::initial_age` | `the_age_is_the_larger_of_what_date_and_age_say`; freshness: `age_counts_from_when_the_answer_was_made` |
//! | §4.2.4 stale responses | `policy::storable`, `policy::reuse` | `what_must_be_validated_is_marked`; stale: `what_must_be_revalidated_is_never_served_stale` |
//! | §4.3.1 asking | `policy::validation::ask` | `what_is_asked_is_what_was_given` |
//! | §4.3.2 conditions of clients | `policy::conditional::not_modified` | `tags_decide_before_dates`, `dates_decide_without_tags`; conditional: `if_none_match_is_answered_from_the_store` |
//! | §4.3.3 the answer | `http::validate` | validation: `a_200_takes_the_place_of_what_was_stored`, `the_clients_own_condition_is_answered_from_what_is_validated` |
//! | §4.3.4 a 304 | `policy::validation::selects`, `http::validate` | `a_304_speaks_of_what_has_its_validator`; validation: `a_304_makes_what_is_stored_fresh_again` |
//! | §4.3.5 a HEAD | `policy::validation::headed` | `a_head_freshens_what_it_describes_and_outdates_the_rest`; validation: `a_head_makes_what_is_stored_fresh_or_stale`, `a_head_without_a_validator_makes_nothing_fresh` |
//! | §4.4 invalidation | `policy::invalidation::invalidated`, `http::write` | `a_write_that_did_not_fail_makes_its_target_worthless`, `so_is_what_its_answer_names_of_the_same_origin`; writes: `the_purge_is_in_force_on_all_instances_before_the_answer_goes_out` |
//! | §5.1 `Age` | `policy::ttl::initial_age` | `an_age_that_cannot_be_read_is_ignored` |
//! | §5.2 `Cache-Control` | `policy::directives` | `directives_are_read`, `no_store_is_found_wherever_it_stands` |
//! | §5.2.1 request directives | `policy::reuse` | `a_request_may_ask_for_more_where_it_is_obeyed`, `a_request_may_accept_what_is_stale`; freshness: `only_if_cached_is_a_504_when_nothing_is` |
//! | §5.2.2.3 `must-understand` | `policy::permission` | `must_understand_goes_before_no_store_where_the_status_is_known` |
//! | §5.2.2.4 `no-cache` | `policy::storable`, `policy::reuse` | `what_must_be_validated_never_answers_unasked`; validation: `what_says_no_cache_is_stored_and_validated_each_time` |
//! | §5.3 `Expires` | `policy::ttl`, `policy::dates::parse` | `strange_numbers_and_dates_are_stale_or_as_long_as_can_be` |
//! | §5.4 `Pragma` | `policy::directives` | `pragma_counts_only_without_cache_control` |
//! | §7.3 `Set-Cookie` | `policy::permission` | `cookies_and_parts_are_stored_by_rule` |
//!
//! # RFC 9110, HTTP semantics
//!
//! | section | function | test |
//! |---|---|---|
//! | §5.6.7 dates | `policy::dates::parse` | `all_three_forms_are_read_in_any_case_and_whatever_the_weekday`, `what_the_grammar_does_not_have_is_no_date` |
//! | §7.2 one authority | `policy::admit::authority` | `authority_and_host_must_agree`; passing: `a_host_that_is_not_the_authority_passes` |
//! | §7.6.1 fields of one connection | `policy::hops` | `fields_of_the_connection_are_not_stored`; proxy: `fields_of_the_clients_connection_are_not_forwarded` |
//! | §7.6.3 `Via` | `examples/proxy/hops.rs` | proxy: `a_forwarded_request_says_through_whom_it_came` |
//! | §8.8 validators | `policy::etag` | `weak_and_strong_comparison_are_those_of_the_rfc`, `a_date_is_strong_if_the_response_was_made_a_second_later` |
//! | §9.2.1 safe methods | `policy::invalidation::is_safe` | writes: `safe_methods_purge_nothing` |
//! | §9.3.2 HEAD | `http::reply` | conditional: `a_head_is_answered_from_a_stored_get` |
//! | §9.3.3 POST | `policy::posted::answers_get`, `http::posted` | `only_a_200_of_the_same_uri_with_a_lifetime_answers_get`; `proxy_cache`: `the_answer_to_a_post_answers_get_if_it_says_so`; posted: `it_answers_get_on_all_instances_until_the_next_change`, `of_changes_that_race_the_answer_of_the_last_alone_is_served` |
//! | §12.5 preferences | `policy::normal` | `spellings_of_the_same_codings_are_one`, `what_a_handler_could_tell_apart_stays_apart` |
//! | §13.1.5 `If-Range` | `policy::ranges` | `a_part_is_answered_only_if_it_is_of_what_the_client_has`; ranges: `if_range_must_name_what_is_stored` |
//! | §14.2 `Range` | `policy::ranges::ranged` | `one_range_of_bytes_is_answered`; ranges: `a_range_is_answered_from_the_stored_whole` |
//! | §15.3.7, §15.5.17 206 and 416 | `policy::ranges` | `heads_of_parts_say_which`; ranges: `a_range_past_the_end_is_not_satisfiable` |
//! | §15.4.5 304 | `policy::conditional::head_of_304` | `a_304_keeps_what_does_not_describe_content` |
//!
//! References in `Location` are resolved as RFC 3986 §5.2 has it: `policy::reference`,
//! `references_are_resolved_as_in_the_examples_of_the_rfc`.
//!
//! # RFC 5861, 9211, 9213
//!
//! | section | function | test |
//! |---|---|---|
//! | 5861 §3 `stale-while-revalidate` | `policy::reuse`, `http::refresh` | stale: `a_stale_entry_is_served_while_one_refresh_runs` |
//! | 5861 §4 `stale-if-error` | `policy::reuse::usable_on_error`, `http::stale` | `a_failure_is_answered_with_what_is_stale_within_its_window`; `stale_errors`: `a_failure_is_answered_with_the_stale_entry` |
//! | 9211 §2 `Cache-Status` | `policy::status` | `hits_are_structured_fields_at_every_magnitude`, `forwards_tell_their_reason_and_fate`; `the_key_is_that_of_our_own_member`; freshness: `cache_status_tells_what_was_done`, `cache_status_names_the_key_by_setting` |
//! | 9213 §2 targeted fields | `policy::targeted::control` | `the_first_valid_field_takes_the_place_of_cache_control_and_expires`; `proxy_cache`: `flags_say_what_is_stored` |
//!
//! # Departures
//!
//! Where the RFC leaves a choice, or we do otherwise, and why. `tests/differential.rs` lists where
//! `http-cache-semantics` and this crate differ.
//!
//! | here | why |
//! |---|---|
//! | a setting alone stores only 200, 203 and 204 (9110 §15.1 would allow more) | an absence or a refusal is remembered only when the handler says for how long; a redirect may depend on the scheme, which is no part of the key |
//! | `Cookie`, `X-Api-Key` and `Proxy-Authorization` count like `Authorization` (§3.5) | that is how applications tell who is asking; the list is a setting |
//! | `Set-Cookie` is not stored, even with `public` (§7.3 leaves it open) | it would give one client's session to all; a setting |
//! | a `Cache-Control` that is malformed anywhere is `no-store` (§4.2.1 would have it stale at most) | `private; max-age=60` is meant to be private |
//! | of a directive that is there twice the first counts | §4.2.1 allows it |
//! | a guess is at most a day | the RFC names no bound; a file of ten years would be fresh for one |
//! | what a handler brings without `Age` and `Date` is new when it comes (§4.2.3 would add the time it took) | it was made here, at the end of that time |
//! | several ranges are answered with the whole (9110 §14.2 allows it) | parts in one message are rarely asked for |
//! | a range of what is not stored goes to the handler as it is; its 206 is stored, and answers what it holds, with [`store_parts`](crate::CacheConfigBuilder::store_parts) alone | the handler may be cheap for a part |
//! | of parts with a gap between them the newer is kept (§3.4 would allow both) | one `Content-Range` tells of one range, and one part of a URI is stored |
//! | a part is not completed by a request of our own (§3.3 allows it) | one request of a client makes one of the handler, and that would need a second where the content has changed |
//! | a body that breaks off is not kept as a part (§3.3 allows it) | it is the answer of a handler that failed half way |
//! | a bare 304 freshens what was asked about (§4.3.4: only where what is stored has no validator) | handlers send bare 304s, and it was asked about one response only |
//! | a 304 that speaks of another tag renews nothing; the client gets the stored head as it was | it describes a response that is not here |
//! | a 304 takes no `Content-Type`, `Content-Encoding`, `Content-Range` over (§3.2: of these, caches that keep the bytes as they came leave out `Content-Length` alone) | servers add them by habit, and they would change how the stored bytes are read |
//! | `If-Modified-Since` is sent only with the handler's `Last-Modified` (§4.3.1 allows `Date`) | a handler that gave none compares none |
//! | a HEAD must have the same `Content-Encoding` to freshen (§4.3.5 asks for length and validators) | the stored bytes would be read otherwise |
//! | a HEAD must have a validator to freshen | one that says nothing of the content differs in nothing: HEADs would keep what is old for ever |
//! | with `must-understand` a status of RFC 9110 but 206 and 304 is stored in spite of `no-store`, any other not at all | §5.2.2.3, for the statuses whose rules are followed here |
//! | request directives that force work are ignored by default (§5.2.1) | no client can then defeat the cache; [`ClientDirectives::Obey`](crate::ClientDirectives::Obey) obeys them; `no-store` and `only-if-cached` always count |
//! | the answer to a POST answers GET only with [`post_answers_get`](crate::CacheConfigBuilder::post_answers_get), and not if a purge comes between its making and its own purge (9110 §9.3.3 allows it) | who changed the resource last may have purged it first: of two answers that race neither is kept |
//! | GET with content, `Upgrade`, `If-Match` or `If-Unmodified-Since` passes | only the handler can judge them |
//! | of `s-maxage` and a window of RFC 5861 in one response the window counts (§5.2.2.10 forbids stale use) | where a response names both, it names the exception |
//! | the reason phrase is not stored | HTTP/1.1 alone has one, and it tells nothing (RFC 9112 §4) |
//! | a stored 5xx is never used stale | it is no better than the failure |
//! | two `Host` fields, or one that differs from `:authority`, go to the handler, uncached (RFC 9112 §3.2: a 400) | to refuse is for the server or the app |
