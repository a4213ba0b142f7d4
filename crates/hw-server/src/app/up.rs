//! `headwater up`: listeners around an [`App`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use hw_api::{Problem, ServerDocument};
use hw_catalog::Finding;
use hw_store::Role;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{App, AppRole, parts};
use crate::auth::{Transport, is_over, role_of};
use crate::config::LoadedConfig;
use crate::data_folder::{DataFolder, DataFolderError, UpLock, bind_socket, socket_path};
use crate::listen::{ListenLimits, Listener, Tls, bind_tcp, serve};
use crate::problem::Fault;
use crate::router::{metrics_router, router};

/// How a server is started.
pub struct UpSettings {
    /// Addresses to listen at; none: the configuration decides.
    pub listen: Vec<SocketAddr>,
    /// Whether there is an HTTP listener at all.
    pub http: bool,
    /// Folder for sockets of this user's session (`XDG_RUNTIME_DIR`), for data folders with long paths.
    pub runtime_folder: Option<PathBuf>,
    /// Called once, when requests are answered.
    pub started: Box<dyn FnOnce(&ServerDocument) + Send>,
    /// Resolves when the server shall end.
    pub shutdown: BoxFuture<'static, ()>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// An address cannot be listened at.
    #[error("`{address}` cannot be listened at: {reason}")]
    Address { address: SocketAddr, reason: String },
    /// An address that others can reach, and no token to know them by.
    #[error("`{address}` can be reached from other hosts, and there is no token to ask for")]
    Unguarded { address: SocketAddr },
    /// The files that encryption needs are not right.
    #[error("{} of the settings of `http.tls` cannot be used", .findings.len())]
    Tls { findings: Vec<Finding> },
}

impl From<StartError> for Fault {
    fn from(error: StartError) -> Self {
        let detail = error.to_string();
        match error {
            StartError::Address { .. } => Problem::new(503, "HW-C012", "the server cannot listen", detail)
                .help("another program may listen there; choose another port, or port 0 for a free one: `--listen 127.0.0.1:0`"),
            StartError::Unguarded { .. } => Problem::new(422, "HW-C013", "the server would be open to others", detail).help(
                "make a token first, `headwater token create --role admin`; or let in only clients with a certificate, \
                 `http.tls.client_ca`; or listen at 127.0.0.1",
            ),
            StartError::Tls { findings } => {
                Problem::new(422, "HW-C017", "the server cannot encrypt", detail).findings(findings)
            }
        }
        .into()
    }
}

/// Runs the server of a data folder until `shutdown` resolves; then lets requests under way end, within the setting
/// `http.drain`, and lets go of the folder.
///
/// # Errors
/// Status 409 when another server runs on the folder; else what cannot be opened or bound.
pub async fn serve_up(config: LoadedConfig, folder: DataFolder, settings: UpSettings) -> Result<(), Problem> {
    run(config, folder, settings).await.map_err(Fault::into_problem)
}

async fn run(config: LoadedConfig, folder: DataFolder, settings: UpSettings) -> Result<(), Fault> {
    let lock = folder.lock_for_up()?;
    config.log_notices();
    let app = App::assemble(config, folder, AppRole::Up).await?;
    let served = serve_app(&app, &lock, settings).await;
    app.close().await;
    served
}

async fn serve_app(app: &App, lock: &UpLock, settings: UpSettings) -> Result<(), Fault> {
    let UpSettings {
        listen,
        http,
        runtime_folder,
        started,
        shutdown,
    } = settings;
    let addresses = match (http, listen.is_empty()) {
        (false, _) => Vec::new(),
        (true, true) => vec![app.state.config().http.listen.0],
        (true, false) => listen,
    };
    let metrics = app.state.config().metrics.listen.filter(|_| http);
    let doors = open_doors(app, addresses, metrics.map(|address| address.0), runtime_folder).await?;
    let facts = ServerDocument {
        http: doors
            .http
            .first()
            .map(|(listener, _)| address_of(listener, doors.tls.is_some())),
        metrics: doors
            .metrics
            .as_ref()
            .map(|(listener, _)| format!("{}/metrics", address_of(listener, doors.tls.is_some()))),
        socket: Some(doors.socket_path.display().to_string()),
        ..app.state.facts()
    };
    app.state.set_facts(facts.clone());
    let announcement = lock.announce(&facts)?;
    let mut listeners = start(app, doors);
    started(&facts);
    tracing::info!(
        http = facts.http,
        metrics = facts.metrics,
        socket = facts.socket,
        "the server is up"
    );
    shutdown.await;
    tracing::info!("the server is stopping");
    app.stop.cancel();
    while listeners.join_next().await.is_some() {}
    drop(announcement);
    if let Some(socket) = &facts.socket {
        drop(std::fs::remove_file(socket));
    }
    Ok(())
}

/// Listeners that are bound.
struct Doors {
    http: Vec<Door>,
    /// For metrics alone.
    metrics: Option<Door>,
    /// How the HTTP listeners encrypt, if they do.
    tls: Option<Tls>,
    socket: UnixListener,
    socket_path: PathBuf,
}

/// A listener, and what it lets requests without a token do.
type Door = (TcpListener, Option<Role>);

/// What is asked of requests that come over the network.
struct Guard {
    /// Whether the loopback is asked for the token of the data folder.
    own_token: bool,
    tls: Option<Tls>,
    /// What a client's certificate stands for, where clients show one.
    of_certificate: Option<Option<Role>>,
}

impl Guard {
    fn of(app: &App) -> Result<Self, Fault> {
        let config = app.state.config();
        let own_token = config.auth.loopback_token;
        if own_token {
            app.state
                .set_own_token(app.state.parts().folder.ensure_token(parts::random_bytes())?);
        }
        let settings = &config.http.tls;
        let tls = Tls::of(settings, app.state.parts().folder.path());
        let tls = tls.map_err(|findings| StartError::Tls { findings })?;
        let of_certificate = tls.as_ref().filter(|tls| tls.knows_clients);
        Ok(Self {
            own_token,
            of_certificate: of_certificate.map(|_| role_of(&settings.client_role)),
            tls,
        })
    }

    async fn open(&self, app: &App, address: SocketAddr) -> Result<Door, Fault> {
        let without_token = without_token(address, self.own_token, self.of_certificate);
        open_door(app, address, without_token).await
    }
}

async fn open_doors(
    app: &App,
    addresses: Vec<SocketAddr>,
    metrics: Option<SocketAddr>,
    runtime_folder: Option<PathBuf>,
) -> Result<Doors, Fault> {
    let guard = Guard::of(app)?;
    let mut http = Vec::new();
    for address in addresses {
        http.push(guard.open(app, address).await?);
    }
    let metrics = match metrics {
        Some(address) => Some(guard.open(app, address).await?),
        None => None,
    };
    let folder = &app.state.parts().folder;
    let socket_path = socket_path(folder, runtime_folder.as_deref());
    let socket = bind_socket(folder, &socket_path)?;
    let socket = UnixListener::from_std(socket).map_err(|error| DataFolderError::Socket {
        path: socket_path.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok(Doors {
        http,
        metrics,
        tls: guard.tls,
        socket,
        socket_path,
    })
}

/// Serves metrics and health alone at an address, until the process stops. Gives where, and what ends when it has.
pub(super) async fn serve_metrics(app: &App, address: SocketAddr) -> Result<(String, JoinSet<()>), Fault> {
    let guard = Guard::of(app)?;
    let (listener, without_token) = guard.open(app, address).await?;
    let place = format!("{}/metrics", address_of(&listener, guard.tls.is_some()));
    let router = metrics_router(&app.state, Transport::Tcp { without_token });
    let mut listeners = JoinSet::new();
    listeners.spawn(serve(
        encrypted(listener, guard.tls.as_ref()),
        router,
        limits(app),
        app.stop.clone(),
    ));
    Ok((place, listeners))
}

/// Listens at an address, unless it would be open to others.
async fn open_door(app: &App, address: SocketAddr, without_token: Option<Role>) -> Result<Door, Fault> {
    let is_open = !address.ip().is_loopback() && without_token.is_none();
    if is_open && !app.state.config().auth.loopback_token && !has_token(app).await? {
        return Err(StartError::Unguarded { address }.into());
    }
    let listener = bind_tcp(address).await.map_err(|error| StartError::Address {
        address,
        reason: error.to_string(),
    })?;
    Ok((listener, without_token))
}

/// What requests without a token may do at an address; `None` = they are not answered. `of_certificate` is what a client's
/// certificate stands for, where clients show one.
fn without_token(address: SocketAddr, own_token: bool, of_certificate: Option<Option<Role>>) -> Option<Role> {
    match (of_certificate, address.ip().is_loopback()) {
        (_, true) if own_token => None,
        (Some(role), _) => role,
        (None, true) => Some(Role::Admin),
        (None, false) => None,
    }
}

/// Whether some token is valid now.
async fn has_token(app: &App) -> Result<bool, Fault> {
    let now = app.state.parts().clock.wall();
    let tokens = app.state.store().list_tokens().await?;
    Ok(tokens.iter().any(|token| !is_over(token, now)))
}

fn address_of(listener: &TcpListener, is_encrypted: bool) -> String {
    let scheme = if is_encrypted { "https" } else { "http" };
    listener
        .local_addr()
        .map(|address| format!("{scheme}://{address}"))
        .unwrap_or_default()
}

fn limits(app: &App) -> ListenLimits {
    let http = &app.state.config().http;
    ListenLimits {
        connections: Arc::new(Semaphore::new(http.connections_max)),
        drain: http.drain.0,
    }
}

fn encrypted(listener: TcpListener, tls: Option<&Tls>) -> Listener {
    match tls {
        Some(tls) => Listener::Tls(listener, tls.clone()),
        None => Listener::Tcp(listener),
    }
}

fn start(app: &App, doors: Doors) -> JoinSet<()> {
    let limits = limits(app);
    let tls = doors.tls.as_ref();
    let mut listeners = JoinSet::new();
    for (listener, without_token) in doors.http {
        let router = router(&app.state, Transport::Tcp { without_token });
        listeners.spawn(serve(
            encrypted(listener, tls),
            router,
            limits.clone(),
            app.stop.clone(),
        ));
    }
    if let Some((listener, without_token)) = doors.metrics {
        let router = metrics_router(&app.state, Transport::Tcp { without_token });
        listeners.spawn(serve(
            encrypted(listener, tls),
            router,
            limits.clone(),
            app.stop.clone(),
        ));
    }
    let router = router(&app.state, Transport::Unix);
    listeners.spawn(serve(Listener::Unix(doors.socket), router, limits, app.stop.clone()));
    listeners
}
