//! Who lives in the pretend tenants: readable names, fixed ids, passwords that protect nothing.
//!
//! Each person is there for one kind of token that a verifier must get right.

/// The tenant the sample configuration trusts.
pub const HOME_TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
/// A second tenant on the same authority, which signs with the same keys, as all of Entra does.
pub const PARTNER_TENANT: &str = "3f2b7a15-64c0-4d0e-8f57-1f6f0c1d2e3a";
/// The tenants, by their names and ids.
pub const TENANTS: [(&str, &str); 2] =
    [("contoso.example", HOME_TENANT), ("partner.example", PARTNER_TENANT)];

/// Customers with the gold contract.
pub const GOLD_CUSTOMERS: &str = "7d6f1c0e-2f0d-4a59-9a54-5b3f0a4c0f51";
/// Everybody who works at Contoso.
pub const STAFF: &str = "b4c1d7de-9a5e-4b1f-8c43-0a6a53a4b2f7";
/// Programs that write reports.
pub const REPORT_WRITERS: &str = "c8a6a2b0-1d3f-4c44-bb1e-6f7e8d9c0a1b";
/// The directory role that nearly every user's `wids` has.
pub const DIRECTORY_USER: &str = "b79fbf4d-3ef9-4689-8143-76b194e85509";

/// Most groups a JWT lists; with one more it lists none (ENT-10).
pub const MAX_GROUPS_IN_TOKEN: usize = 200;

/// A user account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The sign-in name (`upn`, `preferred_username`).
    pub username: &'static str,
    /// The development password.
    pub password: &'static str,
    /// Given name and family name.
    pub name: (&'static str, &'static str),
    /// The object id in [`Person::tenant`].
    pub oid: &'static str,
    /// The tenant that has the account.
    pub tenant: &'static str,
    /// A guest's home tenant.
    pub guest_of: Option<&'static str>,
    /// The account belongs to an AI agent.
    pub is_agent: bool,
    /// Memberships.
    pub groups: Groups,
    /// App roles: the API's identifier URI and the role.
    pub roles: &'static [(&'static str, &'static str)],
    /// Scopes of any API that are consented to.
    pub scopes: &'static [&'static str],
}

/// What somebody is a member of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// Exactly these.
    Listed(&'static [&'static str]),
    /// [`GOLD_CUSTOMERS`], and enough invented ones to make this many.
    Many(usize),
}

impl Groups {
    /// The object ids.
    pub fn ids(self) -> Vec<String> {
        match self {
            Self::Listed(ids) => ids.iter().map(|id| (*id).to_owned()).collect(),
            Self::Many(count) => std::iter::once(GOLD_CUSTOMERS.to_owned())
                .chain((1..count).map(|index| format!("9e000000-0000-4000-8000-{index:012x}")))
                .collect(),
        }
    }
}

impl Person {
    /// The display name.
    pub fn display_name(&self) -> String {
        format!("{} {}", self.name.0, self.name.1)
    }
}

/// A gold customer: reads and writes orders, and may approve them.
pub const ALICE: Person = Person {
    username: "alice@contoso.example",
    password: "alice-dev-password",
    name: ("Alice", "Example"),
    oid: "11111111-2222-3333-4444-555555555555",
    tenant: HOME_TENANT,
    guest_of: None,
    is_agent: false,
    groups: Groups::Listed(&[GOLD_CUSTOMERS, STAFF]),
    roles: &[("api://orders", "Orders.Approver")],
    scopes: &["orders.read", "orders.write", "invoices.read", "ledger.read", "User.Read"],
};

/// A guest from the partner's tenant: reads orders, no groups.
pub const BOB: Person = Person {
    username: "bob@partner.example",
    password: "bob-dev-password",
    name: ("Bob", "Guest"),
    oid: "22222222-3333-4444-5555-666666666666",
    tenant: HOME_TENANT,
    guest_of: Some(PARTNER_TENANT),
    is_agent: false,
    groups: Groups::Listed(&[]),
    roles: &[],
    scopes: &["orders.read", "invoices.read", "User.Read"],
};

/// A member of 250 groups: more than a token lists, so her tokens do not say which.
pub const CAROL: Person = Person {
    username: "carol@contoso.example",
    password: "carol-dev-password",
    name: ("Carol", "Member"),
    oid: "33333333-4444-5555-6666-777777777777",
    tenant: HOME_TENANT,
    guest_of: None,
    is_agent: false,
    groups: Groups::Many(250),
    roles: &[],
    scopes: &["orders.read", "invoices.read", "ledger.read", "User.Read"],
};

/// A user of the partner's tenant, which the sample configuration does not trust.
pub const DAVE: Person = Person {
    username: "dave@partner.example",
    password: "dave-dev-password",
    name: ("Dave", "Elsewhere"),
    oid: "44444444-5555-6666-7777-888888888888",
    tenant: PARTNER_TENANT,
    guest_of: None,
    is_agent: false,
    groups: Groups::Listed(&[GOLD_CUSTOMERS]),
    roles: &[],
    scopes: &["orders.read", "orders.write", "invoices.read", "User.Read"],
};

/// The user account of the invoice agent: `idtyp` says user, but nobody sits there.
pub const AGENT_USER: Person = Person {
    username: "invoice-agent@contoso.example",
    password: "agent-dev-password",
    name: ("Invoice", "Agent"),
    oid: "55555555-6666-7777-8888-999999999999",
    tenant: HOME_TENANT,
    guest_of: None,
    is_agent: true,
    groups: Groups::Listed(&[REPORT_WRITERS]),
    roles: &[],
    scopes: &["orders.read", "invoices.read", "User.Read"],
};

/// Everybody.
pub const PEOPLE: [Person; 5] = [ALICE, BOB, CAROL, DAVE, AGENT_USER];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ids::Guid;

    #[test]
    fn ids_are_guids_and_nobody_shares_one() {
        let mut ids: Vec<_> = PEOPLE.iter().map(|person| person.oid.to_owned()).collect();
        ids.extend(TENANTS.map(|(_, id)| id.to_owned()));
        ids.extend(PEOPLE.iter().flat_map(|person| person.groups.ids()));
        assert!(ids.iter().all(|id| id.parse::<Guid>().is_ok()));
        let mut people: Vec<_> = PEOPLE.iter().map(|person| person.oid).collect();
        people.sort_unstable();
        people.dedup();
        assert_eq!(people.len(), PEOPLE.len());
    }

    #[test]
    fn carol_has_more_groups_than_a_token_lists() {
        let mut groups = CAROL.groups.ids();
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(groups.len(), 250);
        assert!(groups.len() > MAX_GROUPS_IN_TOKEN);
        assert!(groups.contains(&GOLD_CUSTOMERS.to_owned()), "once resolved, she is gold");
    }
}
