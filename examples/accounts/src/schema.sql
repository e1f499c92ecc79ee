create table if not exists users (
  id integer primary key,
  handle text not null unique,
  name text not null,
  -- The hash of the password, with its salt and how it was made.
  password text not null,
  -- Sessions and tokens carry it. With a new one all of them are void.
  stamp text not null default (lower(hex(randomblob(16))))
);

create table if not exists documents (
  id integer primary key,
  title text not null,
  text text not null,
  owner integer not null references users
);

create table if not exists members (
  document integer not null references documents,
  user integer not null references users,
  primary key (document, user)
) without rowid;
