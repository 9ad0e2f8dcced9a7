-- What made the rows of the views.
SELECT fingerprint FROM checkpoint
