//! The option table and the syntax, case by case.
