//! `leanpool mcp`.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use leanpool_serve::mcp::Agents;

use super::serve::PoolArgs;
use super::service_site::ServiceSiteArgs;

const EXAMPLES: &str = "\
Example, for an agent that reads such a file:
  {\"mcpServers\": {\"lean\": {\"command\": \"leanpool\", \"args\": [\"mcp\", \"--project\", \"/path/of/the/project\"]}}}";

/// Check Lean files for an agent, by the Model Context Protocol on standard input and output
///
/// It has two tools: `check` elaborates a text, or a file below the project's folder, and says what Lean says, with the goals at each `sorry`; `pool` says which
/// imports are warm. It ends when its input does.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    site: ServiceSiteArgs,

    #[command(flatten)]
    pool: PoolArgs,

    /// Keep files from the network and from writing files, where the kernel can
    #[arg(long)]
    sandbox: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let engine = args.pool.engine(&args.site, args.pool.memory(), args.sandbox, |_| ())?;
    engine.open();
    let roots = match args.site.projects.as_slice() {
        [] => vec![None],
        projects => projects.iter().cloned().map(Some).collect(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(Agents::new(engine.clone(), roots).serve_stdio());
    runtime.block_on(engine.stop(Duration::ZERO));
    engine.end();
    // A thread that waits for input would hold it up.
    runtime.shutdown_background();
    result.map_err(Into::into).map(|()| ExitCode::SUCCESS)
}
