//! The peer of B3: the same booking as a competent team would write it in axum, sqlx and
//! PostgreSQL. It must be as fast as it can be without giving up what the booking
//! promises: never more places than there are, one active booking a person, campaign and
//! dose, durable once answered.
//!
//! A hold and a confirmation are one statement each, so one transaction and one round trip:
//! the row of the slot is locked by its update, a unique partial index keeps the person to
//! one active booking. Holds lapse by themselves. Statements are prepared once a
//! connection. What Jari does beyond it (sessions, rules, idempotency keys, messages) is
//! left out: that is the peer's advantage.
//!
//! ```text
//! POST /holds {"slot":7,"person":"<32 hex digits>","dose":1}   ->  {"booking":1}
//! POST /bookings/1/confirm {"person":"<32 hex digits>"}        ->  {"booking":1}
//! GET  /stats                                                  ->  {"held":0,"booked":1}
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Row};
use tokio::net::TcpListener;

const CAMPAIGN: i32 = 1;
/// As a slot's in `jari_bench::country`.
const PLACES_PER_SLOT: i32 = 100;

const SCHEMA: &str = "
    CREATE TABLE slots (
        id int PRIMARY KEY,
        campaign int NOT NULL,
        capacity int NOT NULL,
        held int NOT NULL DEFAULT 0,
        booked int NOT NULL DEFAULT 0,
        CHECK (held >= 0 AND booked >= 0 AND held + booked <= capacity)
    ) WITH (fillfactor = 50);
    CREATE TABLE bookings (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        slot int NOT NULL,
        campaign int NOT NULL,
        dose smallint NOT NULL,
        state smallint NOT NULL,
        person bytea NOT NULL,
        ends_at timestamptz NOT NULL
    ) WITH (fillfactor = 80);
    CREATE UNIQUE INDEX one_active ON bookings (person, campaign, dose) WHERE state IN (1, 2);
    CREATE INDEX lapsing ON bookings (ends_at) WHERE state = 1;
";

const HOLD: &str = "
    WITH taken AS (
        UPDATE slots SET held = held + 1
        WHERE id = $1 AND held + booked < capacity
        RETURNING id, campaign
    )
    INSERT INTO bookings (slot, campaign, dose, state, person, ends_at)
    SELECT id, campaign, $2, 1, $3, now() + interval '5 minutes' FROM taken
    RETURNING id";

const CONFIRM: &str = "
    WITH done AS (
        UPDATE bookings SET state = 2
        WHERE id = $1 AND person = $2 AND state = 1 AND ends_at > now()
        RETURNING id, slot
    ), counted AS (
        UPDATE slots SET held = held - 1, booked = booked + 1
        FROM done WHERE slots.id = done.slot
    )
    SELECT id FROM done";

const LAPSE: &str = "
    WITH gone AS (
        UPDATE bookings SET state = 3 WHERE state = 1 AND ends_at <= now() RETURNING slot
    )
    UPDATE slots SET held = held - gone.holds
    FROM (SELECT slot, count(*)::int AS holds FROM gone GROUP BY slot) AS gone
    WHERE slots.id = gone.slot";

const STATS: &str = "
    SELECT coalesce(sum(held), 0)::bigint AS held, coalesce(sum(booked), 0)::bigint AS booked FROM slots";

/// Books through PostgreSQL.
#[derive(Parser)]
struct Arguments {
    /// Directory of PostgreSQL's socket
    #[arg(long)]
    socket: String,
    /// The user to connect as
    #[arg(long, default_value = "postgres")]
    user: String,
    /// Connections to the database
    #[arg(long, default_value_t = 32)]
    pool: u32,
    /// Slots to make
    #[arg(long)]
    slots: i32,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = PgConnectOptions::new_without_pgpass()
        .socket(&arguments.socket)
        .username(&arguments.user)
        .database("postgres")
        .statement_cache_capacity(16)
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .min_connections(arguments.pool)
        .max_connections(arguments.pool)
        .acquire_timeout(Duration::from_secs(10))
        // A ping before each use would be a round trip more; a broken connection shows soon enough.
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    found(&pool, arguments.slots).await?;
    let lapses = pool.clone();
    tokio::spawn(async move { lapse(&lapses).await });
    let router = Router::new()
        .route("/holds", post(hold))
        .route("/bookings/{id}/confirm", post(confirm))
        .route("/stats", get(stats))
        .with_state(pool);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

async fn found(pool: &PgPool, slots: i32) -> sqlx::Result<()> {
    sqlx::raw_sql(SCHEMA).execute(pool).await?;
    let fill =
        "INSERT INTO slots (id, campaign, capacity) SELECT id, $2, $3 FROM generate_series(0, $1 - 1) AS id";
    sqlx::query(fill).bind(slots).bind(CAMPAIGN).bind(PLACES_PER_SLOT).execute(pool).await?;
    sqlx::raw_sql("VACUUM (ANALYZE) slots").execute(pool).await?;
    Ok(())
}

/// Gives lapsed holds back, once a second.
async fn lapse(pool: &PgPool) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    loop {
        interval.tick().await;
        if let Err(error) = sqlx::query(LAPSE).execute(pool).await {
            eprintln!("holds could not lapse: {error}");
        }
    }
}

#[derive(Deserialize)]
struct Hold {
    slot: i32,
    person: String,
    dose: i16,
}

#[derive(Deserialize)]
struct Confirm {
    person: String,
}

async fn hold(State(pool): State<PgPool>, Json(asked): Json<Hold>) -> Result<Json<Value>, Failed> {
    let person = person(&asked.person)?;
    let query = sqlx::query(HOLD).bind(asked.slot).bind(asked.dose).bind(&person[..]);
    let row = query.fetch_optional(&pool).await?.ok_or(Failed(StatusCode::CONFLICT))?;
    Ok(Json(json!({ "booking": row.try_get::<i64, _>(0)? })))
}

async fn confirm(
    State(pool): State<PgPool>,
    Path(booking): Path<i64>,
    Json(asked): Json<Confirm>,
) -> Result<Json<Value>, Failed> {
    let person = person(&asked.person)?;
    let query = sqlx::query(CONFIRM).bind(booking).bind(&person[..]);
    let row = query.fetch_optional(&pool).await?.ok_or(Failed(StatusCode::CONFLICT))?;
    Ok(Json(json!({ "booking": row.try_get::<i64, _>(0)? })))
}

async fn stats(State(pool): State<PgPool>) -> Result<Json<Value>, Failed> {
    let row = sqlx::query(STATS).fetch_one(&pool).await?;
    Ok(Json(json!({ "held": row.try_get::<i64, _>("held")?, "booked": row.try_get::<i64, _>("booked")? })))
}

fn person(text: &str) -> Result<[u8; 16], Failed> {
    let number = u128::from_str_radix(text, 16).map_err(|_| Failed(StatusCode::UNPROCESSABLE_ENTITY))?;
    Ok(number.to_be_bytes())
}

/// What a request failed with.
struct Failed(StatusCode);

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Failed {
        let unique = error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
        if unique {
            return Failed(StatusCode::CONFLICT);
        }
        eprintln!("the database: {error}");
        Failed(StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}
