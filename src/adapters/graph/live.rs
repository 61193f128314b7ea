//! Graph access that comes, changes and goes while the service runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::api::GraphApi;
use super::shared::Shelf;
use super::{Directories, Directory, GraphGroups, not_configured};
use crate::domain::tenant::Tenant;
use crate::ports::Unavailable;
use crate::protocol::ids::Guid;

impl GraphGroups {
    /// Serves those of `tenants` that have Graph access, from now on. What is known of the groups of
    /// a tenant stays while the same Graph is asked; another secret is used from the next request on.
    ///
    /// To be called before the configuration is in force, by one at a time: no answer that is kept
    /// under it may rest on what an earlier one allowed.
    pub fn configure(&self, tenants: &[Tenant]) {
        let before = self.directories.load_full();
        let directory = |tenant: &Tenant| {
            let api = GraphApi::new(tenant, self.http.clone())?;
            let kept = before.get(&tenant.id).filter(|kept| kept.api.load().is_at(&api));
            let directory = if let Some(kept) = kept {
                kept.follow(api);
                Arc::clone(kept)
            } else {
                let others = self.store.as_ref().map(|store| Shelf(Arc::clone(store)));
                Arc::new(Directory::new(api, others))
            };
            Some((tenant.id, directory))
        };
        let directories: Directories = tenants.iter().filter_map(directory).collect();
        self.directories.store(Arc::new(directories));
    }

    pub(super) fn directory(&self, tenant: Guid) -> Result<Arc<Directory>, Unavailable> {
        let found = self.directories.load().get(&tenant).map(Arc::clone);
        found.ok_or_else(|| not_configured(tenant))
    }
}

impl Directory {
    /// Asks as `api` does, which is at the same place.
    fn follow(&self, api: GraphApi) {
        if self.api.load().is_as(&api) {
            return;
        }
        self.api.store(Arc::new(api));
        // Whatever kept us waiting was about the other application or its secret.
        self.closed_until.store(0, Ordering::Relaxed);
    }
}
