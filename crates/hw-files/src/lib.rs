//! The file layer: roots, atomic publishing, ledger and sweeper, checksums, listings, Parquet footers.
