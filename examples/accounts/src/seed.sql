insert into documents (id, title, text, owner) values
  (1, 'Notes on the Engine',
   'The Analytical Engine weaves algebraical patterns just as the Jacquard loom weaves flowers and leaves.

It can do whatever we know how to order it to perform. It can follow analysis, but it has no power of anticipating any analytical relations or truths.

Still to do: check the table for the numbers of Bernoulli, line by line.', 1),
  (2, 'A manual for the compiler',
   'It is much easier to apologise than it is to get permission.

Section 1 says what a subroutine is. Section 2 says why nobody should write one twice.', 2),
  (3, 'The trajectory, once more',
   'You tell me when you want it and where you want it to land, and I will do it backwards and tell you when to take off.

The numbers of the machine agree with mine. I have checked them by hand.', 4);

insert into members (document, user) values
  (1, 1), (1, 2), (1, 3), (1, 4),
  (2, 1), (2, 2),
  (3, 2), (3, 4);
