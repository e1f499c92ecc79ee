//! The database: users, documents, and who may open which.

use std::path::Path;

use sqlx::{
    Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow},
};

use crate::users::User;

/// The people of the example. The first one has the id 1.
const PEOPLE: [(&str, &str); 4] = [
    ("ada", "Ada Lovelace"),
    ("grace", "Grace Hopper"),
    ("alan", "Alan Turing"),
    ("katherine", "Katherine Johnson"),
];

/// Cloning is cheap, and a clone is the same database.
#[derive(Clone, Debug)]
pub(crate) struct Database(SqlitePool);

/// A document, as the list of a user's documents shows it.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Listed {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) owner: i64,
    pub(crate) members: Vec<i64>,
}

impl Database {
    /// Opens `accounts.db` in a folder, or a database in memory. It is made if it is not there.
    pub(crate) async fn open(folder: Option<&Path>) -> sqlx::Result<Self> {
        let options = SqliteConnectOptions::new();
        let pool = SqlitePoolOptions::new();
        let (options, pool) = match folder {
            Some(folder) => {
                let options = options.filename(folder.join("accounts.db")).create_if_missing(true);
                (options.journal_mode(SqliteJournalMode::Wal), pool)
            }
            // Each connection to memory is a database of its own, so there is one, which stays.
            None => {
                let pool = pool.max_connections(1).idle_timeout(None).max_lifetime(None);
                (options.in_memory(true), pool)
            }
        };
        let database = Self(pool.connect_with(options).await?);
        sqlx::raw_sql(include_str!("schema.sql")).execute(&database.0).await?;
        Ok(database)
    }

    /// Adds the people and documents of the example, all with one password, if nobody is there.
    pub(crate) async fn seed(&self, password: &str) -> sqlx::Result<()> {
        let mut all = self.0.begin().await?;
        let empty = "select not exists (select 1 from users)";
        if sqlx::query_scalar(empty).fetch_one(&mut *all).await? {
            for (handle, name) in PEOPLE {
                let user = "insert into users (handle, name, password) values (?, ?, ?)";
                let user = sqlx::query(user).bind(handle).bind(name).bind(password);
                user.execute(&mut *all).await?;
            }
            sqlx::raw_sql(include_str!("seed.sql")).execute(&mut *all).await?;
        }
        all.commit().await
    }

    /// The connections, for the store of the sessions.
    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.0
    }

    pub(crate) async fn user(&self, id: i64) -> sqlx::Result<Option<User>> {
        let found = sqlx::query("select * from users where id = ?").bind(id);
        found.fetch_optional(&self.0).await?.as_ref().map(read_user).transpose()
    }

    pub(crate) async fn user_by_handle(&self, handle: &str) -> sqlx::Result<Option<User>> {
        let found = sqlx::query("select * from users where handle = ?").bind(handle);
        found.fetch_optional(&self.0).await?.as_ref().map(read_user).transpose()
    }

    /// Makes all sessions and tokens of a user void.
    pub(crate) async fn restamp(&self, user: i64) -> sqlx::Result<()> {
        let stamp = "update users set stamp = lower(hex(randomblob(16))) where id = ?";
        sqlx::query(stamp).bind(user).execute(&self.0).await?;
        Ok(())
    }

    /// Ids and names of all users.
    pub(crate) async fn people(&self) -> sqlx::Result<Vec<(i64, String)>> {
        sqlx::query_as("select id, name from users order by id").fetch_all(&self.0).await
    }

    /// Ids and names of these users, by one query. `ids` is a list in JSON.
    pub(crate) async fn names(&self, ids: &str) -> sqlx::Result<Vec<(i64, String)>> {
        let names = "select id, name from users where id in (select value from json_each(?))";
        sqlx::query_as(names).bind(ids).fetch_all(&self.0).await
    }

    pub(crate) async fn is_member(&self, document: i64, user: i64) -> sqlx::Result<bool> {
        let found = "select exists (select 1 from members where document = ? and user = ?)";
        sqlx::query_scalar(found).bind(document).bind(user).fetch_one(&self.0).await
    }

    pub(crate) async fn is_owner(&self, document: i64, user: i64) -> sqlx::Result<bool> {
        let found = "select exists (select 1 from documents where id = ? and owner = ?)";
        sqlx::query_scalar(found).bind(document).bind(user).fetch_one(&self.0).await
    }

    /// The documents that a user may open.
    pub(crate) async fn documents_of(&self, user: i64) -> sqlx::Result<Vec<Listed>> {
        let found = "select id, title, text, owner,
              (select json_group_array(user) from members where document = id) as members
            from documents where id in (select document from members where user = ?) order by id";
        let rows = sqlx::query(found).bind(user).fetch_all(&self.0).await?;
        rows.iter()
            .map(|row| {
                let members: String = row.try_get("members")?;
                let members = serde_json::from_str(&members)
                    .map_err(|error| sqlx::Error::Decode(error.into()))?;
                Ok(Listed {
                    id: row.try_get("id")?,
                    title: row.try_get("title")?,
                    text: row.try_get("text")?,
                    owner: row.try_get("owner")?,
                    members,
                })
            })
            .collect()
    }

    /// Adds a member, if there is such a user.
    pub(crate) async fn add_member(&self, document: i64, user: i64) -> sqlx::Result<()> {
        let member = "insert or ignore into members select ?, id from users where id = ?";
        sqlx::query(member).bind(document).bind(user).execute(&self.0).await?;
        Ok(())
    }

    pub(crate) async fn remove_member(&self, document: i64, user: i64) -> sqlx::Result<()> {
        let member = "delete from members where document = ? and user = ?";
        sqlx::query(member).bind(document).bind(user).execute(&self.0).await?;
        Ok(())
    }
}

fn read_user(row: &SqliteRow) -> sqlx::Result<User> {
    Ok(User {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        password: row.try_get("password")?,
        stamp: row.try_get("stamp")?,
    })
}
