//! Funnels among the functions that `SHOW FUNCTIONS` lists.

use std::sync::Arc;

use datafusion::catalog::{TableFunction, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DataFusionError, internal_err};

use crate::statement::FUNNEL_FUNCTIONS;

/// The table functions of this module by name, to be listed.
pub(crate) fn listed() -> impl Iterator<Item = (String, Arc<TableFunction>)> {
    let listed = |name: &str| Arc::new(TableFunction::new(name.to_owned(), Arc::new(Listed)));
    FUNNEL_FUNCTIONS
        .iter()
        .map(move |name| ((*name).to_owned(), listed(name)))
}

/// Never called: calls are taken out of a statement before it is planned.
#[derive(Debug)]
struct Listed;

impl TableFunctionImpl for Listed {
    fn call_with_args(&self, _: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        internal_err!("a funnel was left in a statement that is planned")
    }
}
