-- How the connection is protected: the version of TLS, NULL without; the server's address, NULL over a Unix socket.
select (select version from pg_stat_ssl where pid = pg_backend_pid() and ssl), host(inet_server_addr())
