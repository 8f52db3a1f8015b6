//! Where the operating system is met and the libraries have no safe call for it.
