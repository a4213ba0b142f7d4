//! The operator on the wire: its versioned document. Everything else is left to another codec.

use std::sync::Arc;

use datafusion::common::{DataFusionError, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{
    DefaultPhysicalExtensionCodec, PhysicalExtensionCodec, PhysicalProtoConverterExtension,
};

use super::exec::FunnelExec;
use super::spec::FunnelSpec;

/// What our operators begin with; no protobuf message of the engine begins so.
const MARK: &[u8] = b"hw-funnel\0";

/// Encodes [`FunnelExec`] and leaves other operators to `inner`.
#[derive(Debug)]
pub struct FunnelCodec {
    inner: Arc<dyn PhysicalExtensionCodec>,
}

impl FunnelCodec {
    /// A codec in front of another one, for instance that of a distributed engine.
    pub fn new(inner: Arc<dyn PhysicalExtensionCodec>) -> Self {
        Self { inner }
    }
}

impl Default for FunnelCodec {
    fn default() -> Self {
        Self::new(Arc::new(DefaultPhysicalExtensionCodec {}))
    }
}

impl PhysicalExtensionCodec for FunnelCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let Some(document) = bytes.strip_prefix(MARK) else {
            return self.inner.try_decode(bytes, inputs, context, converter);
        };
        let spec = FunnelSpec::from_json(document).map_err(|error| DataFusionError::External(Box::new(error)))?;
        match inputs {
            [input] => Ok(Arc::new(FunnelExec::new(Arc::clone(input), Arc::new(spec)))),
            _ => internal_err!("a funnel has one input, not {}", inputs.len()),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buffer: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<(), DataFusionError> {
        let Some(funnel) = node.downcast_ref::<FunnelExec>() else {
            return self.inner.try_encode(node, buffer, converter);
        };
        buffer.extend_from_slice(MARK);
        buffer.extend_from_slice(funnel.spec().to_json().to_string().as_bytes());
        Ok(())
    }
}
