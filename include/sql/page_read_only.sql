-- UI: from here on this connection only reads, and a page that takes too long is given up.
select set_config('default_transaction_read_only', 'on', false), set_config('statement_timeout', '15s', false);
