//! The deciding loop: events in, plans, launches, commands out.
