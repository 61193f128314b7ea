//! What holds for one replica with its own memory holds for one that keeps everything in Redis: the
//! same tests, once more.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::SEAL;
use crate::support::redis::RedisServer;
use crate::support::with_store;

/// One server for all of them; each test has names of its own in it.
static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);

fn over_redis(test: fn()) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (url, number) = (SERVER.url(), NEXT.fetch_add(1, Ordering::Relaxed));
    let redis = format!("redis: {{ url: \"{url}\", prefix: same-{number} }}");
    with_store(&format!("store: {{ {redis}, sealing_key: {SEAL} }}\n"), test);
}

macro_rules! over_redis {
    ($($module:path { $($test:ident),* $(,)? })*) => {
        $($(
            #[test]
            fn $test() {
                use $module as subject;
                over_redis(subject::$test);
            }
        )*)*
    };
}

over_redis! {
    crate::exchange::revocation {
        rev_02_to_rev_06_a_client_revokes_what_it_got_and_its_descendants_end,
        a_revoked_token_extends_no_chain,
        a184_an_operator_ends_the_sign_in_and_all_that_came_from_it_in_one_write,
        a_whole_tree_ends_by_any_of_its_leaves,
        a248_a_principal_is_cut_off_up_to_a_moment_and_a_new_sign_in_is_not_hurt,
        a_client_is_cut_off_with_everything_it_took_part_in,
        a233_a_revoked_bearer_lets_nobody_in,
        a183_p14_a_race_between_revocation_and_exchange_leaves_nothing_alive,
        many_revocations_leave_good_answers_in_the_cache,
    }
    crate::exchange::requests {
        tex_20_to_26_a_gateway_swaps_a_users_token_for_one_of_the_backend,
        int_20_introspection_tells_the_same_of_a_jwt_and_of_an_opaque_token,
        a_gateway_may_ask_for_the_jwt_behind_an_opaque_token,
    }
    crate::exchange::chains {
        tex_41_p5_the_present_actor_stands_on_those_before,
        a168_a173_a175_hops_are_bounded_and_no_exchange_renews,
    }
    crate::client_authentication {
        a209_an_assertion_is_used_once,
        a231_int_24_guessing_is_slowed_and_nobody_else_is,
    }
    crate::cache {
        p8_a_remembered_answer_is_the_same_answer,
        a246_nothing_outlives_its_token,
        a250_an_answer_ends_with_its_key,
        many_askers_for_one_cold_token_cause_one_of_everything,
        a38_good_tokens_pass_while_unknown_keys_are_named,
    }
    crate::outages {
        a252_without_keys_the_answer_is_503_and_recovery_is_alone,
        a_known_key_goes_on_through_an_outage,
        a251_the_last_good_set_survives_every_lie,
        a_key_that_cannot_be_looked_up_may_be_good,
    }
    crate::kinds_of_token {
        groups_that_entra_left_out_are_asked_for,
        groups_that_nobody_tells_are_unknown_and_not_empty,
    }
    crate::signed_answers {
        jir_03_jir_04_jir_06_an_answer_is_signed_for_the_one_who_asked,
    }
}
