-- The followed feed whose work has waited longest; none when nothing is due. Work is: a chunk to land, a chunk to apply, a file to
-- write. Only when no feed has work, one whose source may have new rows at its end.
select feed from (
    select f.feed, least(
        case when not p.landed_to_end then p.next_due_at end,
        case when p.applied < p.landed then f.started_at end,
        (select min(r.reserved_at) from ledger.detection_file r where r.feed_id = f.feed_id and r.uploaded_at is null),
        (select d.detected_at + f.linger_seconds * interval '1 second'
         from ledger.detection d
         where d.feed_id = f.feed_id and d.ordinal > coalesce(
             (select l.last_ordinal from ledger.detection_file l where l.feed_id = f.feed_id order by l.file_number desc limit 1), 0)
         order by d.ordinal limit 1)
    ) as due_at,
    case when p.landed_to_end then f.checked_at + %(recheck_seconds)s * interval '1 second' end as recheck_at
    from ledger.feed f
    join ledger.feed_position p using (feed_id)
    where f.followed and (f.hold_until is null or f.hold_until <= now())
) work
where due_at <= now() or recheck_at <= now()
order by coalesce(due_at <= now(), false) desc, least(due_at, recheck_at), feed
limit 1;
