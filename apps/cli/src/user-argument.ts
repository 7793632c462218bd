/** Describes the argument that `nameUser` reads. Apart from it, so that the help of a command loads no service. */
export const USER_ARGUMENT = 'id or phone number, such as +14155550100; - reads it from standard input';
